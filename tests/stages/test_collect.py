"""DAgger: what is recorded are the states the policy came to, labelled by the expert; the next fit learns from both."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.cli.main import main
from benchmark.data.episodes import Demos, open_demos
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.stages import base
from benchmark.stages import collect as collecting
from benchmark.stages import fit as fitting
from benchmark.stages.params import collect
from benchmark.storage.artifacts import Store
from benchmark.training import loop
from tests.toy import SPEED, Guided, advice

ROUNDS, EPISODES = 2, 5
ONE = ["policy.mlp.chunk=1", "policy.mlp.execute=1"]
SETTINGS = [f"fit.dagger.rounds={ROUNDS}", f"fit.dagger.episodes={EPISODES}", "fit.steps=40", *ONE]


@pytest.fixture(autouse=True)
def _guided() -> Iterator[None]:
    registry.envs().add(Guided)
    yield
    registry.envs().remove(Guided.name)


def request(*settings: str, **changes: Any) -> Request:
    fields: dict[str, Any] = {"methods": ["state"], "envs": ["guided"], "policies": ["mlp"], "preset": "smoke"}
    return Request(**{**fields, **changes}, overrides=[*SETTINGS, *settings])


def run(home: Path, *settings: str) -> None:
    names = ["--methods", "state", "--envs", "guided", "--policies", "mlp", "--preset", "smoke", "--home", str(home), "--quiet"]
    assert main(["run", *names, "machine.threads=1", "machine.workers=0", *SETTINGS, *settings]) == 0


def rounds(home: Path, plan: Plan) -> list[Demos]:
    """What is learnt from, at first and after each round."""
    stages = [stage for stage in plan.stages.values() if stage.kind in ("demos", "collect")]
    stages.sort(key=lambda stage: getattr(stage.params, "round", 0))
    return [open_demos(Store(home).open(stage.kind, stage.key)) for stage in stages]


def test_each_round_adds_states_of_the_policy_with_the_expert_s_actions(tmp_path: Path) -> None:
    run(tmp_path)
    plan = make_plan(request())
    first, *later = rounds(tmp_path, plan)
    assert [len(demos) for demos in later] == [4 + EPISODES, 4 + 2 * EPISODES]
    for before, after in zip((first, later[0]), later, strict=True):
        old = int(before.ends[-1])
        for name in ("frames", "actions", "states", "proprio"):
            assert np.array_equal(getattr(after, name)[:old], getattr(before, name)), "what was there stays"
        assert np.allclose(after.actions[old:], advice(after.states[old:]), atol=1e-6), (
            "a label belongs to the state next to it"
        )
        infos = after.infos[len(before) :]
        assert len({info["seed"] for info in infos}) == EPISODES
        moved = np.concatenate([np.diff(after.states[start:end, :2], axis=0) for start, end in spans(after, len(before))])
        labels = np.concatenate([after.actions[start : end - 1] for start, end in spans(after, len(before))])
        assert np.abs(moved / SPEED - labels).max() > 0.1, "the policy acted and not the expert"
    seeds = [info["seed"] for info in later[-1].infos]
    assert len(set(seeds)) == len(seeds), "no episode is played twice"
    steps = int(later[-1].ends[-1])
    summary = Store(tmp_path).manifest("collect", plan.cells[0].stages["collect"]).summary_as(collect.Summary)
    assert (summary.labelled, summary.frames) == (steps, steps)


def spans(demos: Demos, since: int) -> list[tuple[int, int]]:
    return [(int(demos.starts[n]), int(demos.ends[n])) for n in range(since, len(demos))]


def test_the_oldest_are_dropped(tmp_path: Path) -> None:
    run(tmp_path, "fit.dagger.most=6")
    plan = make_plan(request("fit.dagger.most=6"))
    _, one, two = rounds(tmp_path, plan)
    assert [len(one), len(two)] == [6, 6]
    assert [info.get("round") for info in one.infos] == [None] + [1] * 5
    assert [info.get("round") for info in two.infos] == [1] + [2] * 5
    summary = Store(tmp_path).manifest("collect", plan.cells[0].stages["collect"]).summary_as(collect.Summary)
    assert summary.labelled > summary.frames, "what was asked for stays counted"


def test_rounds_come_before_the_fit_that_is_scored() -> None:
    plain, plan = make_plan(request("fit.dagger.rounds=0")), make_plan(request())
    [cell] = plan.cells
    stages = plan.stages
    fitted = stages[cell.stages["fit"]]
    collected = stages[fitted.inputs["demos"].key]
    assert (collected.kind, collected.params.round) == ("collect", ROUNDS)
    assert stages[fitted.inputs["features"].key].inputs["demos"] == collected.ref
    assert stages[collected.inputs["policy"].key].inputs["demos"].kind == "collect"
    assert stages[cell.stages["rollout"]].inputs["policy"] == fitted.ref
    shared = {kind: key for kind, key in plain.cells[0].stages.items() if kind not in ("fit", "rollout")}
    assert {kind: cell.stages[kind] for kind in shared} == shared, "the encoder and its probe are those without rounds"


def test_an_expert_with_a_memory_cannot_label() -> None:
    assert "an expert that can label any state" in str(make_plan(request(envs=["kitchen"])).cells[0].refused)
    assert "fit.goal=last" in str(make_plan(request("fit.goal=last")).cells[0].refused)


def test_a_rollout_starts_where_no_round_changes_who_was_shown() -> None:
    starts = "rollout.starts=demonstrations"
    assert "rollout.starts=demonstrations takes those of the first fit" in str(make_plan(request(starts)).cells[0].refused)
    assert make_plan(request(starts, "fit.dagger.rounds=0")).cells[0].refused is None


def test_labels_are_no_chunks() -> None:
    """The labels of the next states are what the expert would have done where the policy went, not its plan."""
    [cell] = make_plan(request("policy.mlp.chunk=4", "policy.mlp.execute=1")).cells
    assert "Fix it with: policy.mlp.chunk=1 policy.mlp.execute=1" in str(cell.refused)


def test_the_same_from_the_start_or_after_the_last_round_was_lost(tmp_path: Path) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", "fit.dagger.rounds=1")
    run(tmp_path / "b")
    plan = make_plan(request())
    for kind, key in plan.cells[0].stages.items():
        if kind in ("collect", "rollout"):
            one, two = (Store(tmp_path / name).open(kind, key) for name in "ab")
            for path in sorted(one.iterdir()):
                if path.suffix in (".npy", ".csv"):
                    assert path.read_bytes() == (two / path.name).read_bytes(), path.name


def killed_in_round_3(home: Path, kind: str) -> None:
    """To be called in a process of its own. While it collects: after one of the episodes. In a fit: after half of the steps."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    play, learn = collecting._play, fitting._learn

    def last_play(context: base.Context[collect.Params], *rest: Any) -> Any:
        if context.params.round == 3 and kind == "collect":
            type(context.task).update = die  # type: ignore[method-assign]
        return play(context, *rest)

    def last_fit(context: base.Context[Any], *rest: Any) -> Any:
        shown = context.inputs["demos"]
        if kind == "fit" and shown.manifest.kind == "collect" and shown.params(collect.Params).round == 2:
            save = loop.Checkpoint.save
            loop.Checkpoint.save = lambda *args: (save(*args), die())  # type: ignore[method-assign, assignment]
        return learn(context, *rest)

    collecting._play, fitting._learn = last_play, last_fit
    run(home, *THREE)


THREE = ["fit.dagger.rounds=3", "fit.checkpoint_every=20"]


@pytest.mark.parametrize("kind", ["collect", "fit"])
def test_killed_in_the_third_round_the_same_command_gives_the_same_artifacts(tmp_path: Path, kind: str) -> None:
    run(tmp_path / "whole", *THREE)
    child = multiprocessing.get_context("fork").Process(target=killed_in_round_3, args=(tmp_path / "killed", kind))
    child.start()
    child.join(900)
    assert child.exitcode == -signal.SIGKILL
    stages = make_plan(request(*THREE)).stages.values()
    whole, again = (Store(tmp_path / name) for name in ("whole", "killed"))
    done = [stage for stage in stages if again.has(stage.kind, stage.key)]
    rounds_done = {stage.params.round for stage in done if isinstance(stage.params, collect.Params)}
    assert rounds_done == {1, 2}, "it died in the third round"
    assert not any(stage.kind == "rollout" for stage in done)
    run(tmp_path / "killed", *THREE)
    for stage in stages:
        one, two = (store.manifest(stage.kind, stage.key) for store in (whole, again))
        assert one.files == two.files, f"{stage.label} differs"
