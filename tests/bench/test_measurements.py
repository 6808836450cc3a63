"""Each kind of measurement at toy size: finite, positive, in its unit. No number is compared with a clock."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.bench import heads, planning, pretraining, released, rollouts, suite
from benchmark.bench.case import Bench, Case, lines
from benchmark.bench.measurement import Measurement
from benchmark.bench.serial import Serial
from benchmark.cli.main import parse
from benchmark.contracts.environment import Simulator
from benchmark.contracts.presets import component_config
from benchmark.core.errors import Unavailable
from benchmark.core.seeds import evaluation_seed
from benchmark.planning.request import Request
from benchmark.policies.vqbet import VQBeT
from benchmark.simulation.protocol import Slots
from benchmark.simulation.rollout import rollout
from tests import stand_in_release
from tests.bench.sizes import TOY, toy_bench

UNITS = {
    "pretrain": "frames/s",
    "embed": "frames/s",
    "fit": "samples/s",
    "tokenize": "chunks/s",
    "sampler": "frames/s",
    "rollout": "steps/s",
    "store": "artifacts/s",
    "plan": "cells/s",
    "start": "starts/s",
}
LINES = {  # case -> what its lines end with
    "pretrain/dynamo@32": ["eager"],
    "pretrain/moco_v3@32": ["eager"],
    "pretrain/tcn_sv@32": ["eager"],
    "embed/resnet18@32": ["stage", "network"],
    "fit/vqbet": ["eager"],
    "fit/act": ["eager"],
    "fit/vqbet@bf16": ["eager"],
    "fit/knn": ["act"],
    "tokenize/vqbet": ["eager"],
    "sampler/windows@32/gathered": ["gathered"],
    "store": ["publish", "verify"],
}


def case(name: str) -> Case:
    [found] = [case for case in suite.chosen(suite.all_cases(TOY), [name]) if case.name == name]
    return found


def checked(measured: list[Measurement], unit: str) -> list[str]:
    """The names of lines with a rate, each of which makes sense."""
    rows = [line for line in measured if line.rate is not None]
    assert not any(line.failed for line in measured), [line.reason for line in measured]
    for line in rows:
        assert line.rate is not None
        assert math.isfinite(line.rate)
        assert line.rate > 0
        assert line.unit == unit
        assert line.spread is not None
        assert line.spread >= 0
        assert line.floor is None or 0 < line.floor < math.inf
    return [line.name.split("/")[-1] for line in rows]


@pytest.mark.parametrize("name", LINES)
def test_a_measurement(name: str, tmp_path: Path) -> None:
    measured = lines(toy_bench(tmp_path), case(name))
    assert checked(measured, UNITS[measured[0].group]) == LINES[name]
    assert all(line.floor for line in measured if line.rate), "each of these has a floor"


@pytest.mark.parametrize("name", ["pretrain/dynamo@32", "fit/vqbet"])
def test_compiled_steps_take_turns_where_they_are_asked_for(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda loss: compiled.append(loss) or loss)
    measured = lines(replace(toy_bench(tmp_path), compiled=True), case(name))
    assert checked(measured, UNITS[measured[0].group]) == ["eager", "compiled"]
    assert [loss.__name__ for loss in compiled] == ["loss"]
    assert measured[1].detail.endswith("not captured"), "on a processor"


def test_what_cannot_be_compiled_leaves_the_other_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler(loss: object) -> object:
        raise RuntimeError("no compiler is here")

    monkeypatch.setattr(torch, "compile", no_compiler)
    measured = lines(replace(toy_bench(tmp_path), compiled=True), case("fit/vqbet"))
    assert [line.name for line in measured if line.rate] == ["fit/vqbet/eager"]
    assert [line.reason for line in measured if line.failed] == ["RuntimeError: no compiler is here"]


def test_chunks_are_counted_in_samples(tmp_path: Path) -> None:
    assert checked(lines(toy_bench(tmp_path), case("sampler/chunks")), "samples/s") == ["chunks"]


def test_without_a_gpu_graphs_and_resident_frames_are_lines_with_the_reason(tmp_path: Path) -> None:
    [captured] = [line for line in lines(toy_bench(tmp_path), case("fit/mlp")) if line.name.endswith("captured")]
    assert "CUDA" in (captured.reason or "")
    [resident] = lines(toy_bench(tmp_path), case("sampler/windows@32/resident"))
    assert (resident.rate, resident.failed) == (None, False)


def test_a_rollout_alone_drawn_and_whole(toy: object, tmp_path: Path) -> None:
    measured = lines(toy_bench(tmp_path), case("rollout/toy"))
    assert checked(measured, "steps/s") == ["simulator", "drawing", "serial", "whole"]
    assert [line.floor is not None for line in measured] == [False, False, False, True]


class Follower:
    """Acts on what it sees and writes that down."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.seen: list[tuple[int, bytes, bytes, bytes]] = []

    def needs_frame(self, time: int) -> bool:
        return time % 3 != 1

    def begin(self, slot: int, seed: int) -> None:
        self.begun.append(seed)

    def act(self, slots: Slots) -> np.ndarray:
        assert slots.frames is not None
        [time], [drawn] = slots.time, slots.rendered
        frame = slots.frames[0].tobytes() if drawn else b""
        self.seen.append((int(time), frame, slots.state.tobytes(), slots.proprio.tobytes()))
        return slots.state[:, 2:] * 3 - 1  # beyond the bounds, too


def test_a_plain_loop_acts_as_a_rollout_does(toy: type[Simulator]) -> None:
    config = component_config(toy, "smoke", "toy")
    plain, rolled = Follower(), Follower()
    serial = Serial(toy, config, plain)
    assert serial(20) > 0
    assert serial(40) > 0
    seeds = [evaluation_seed("bench", episode) for episode in range(len(plain.begun))]
    rollout(toy, config, seeds, rolled, slots=1, workers=0, timeout=60)
    assert plain.begun == rolled.begun == seeds
    assert len(plain.seen) == 60
    assert plain.seen == rolled.seen[:60]


def test_an_environment_that_is_not_here_is_a_line_with_its_fix(toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "unavailable_reason", classmethod(lambda cls, config: "no toys. Fix it with: shop"))
    with pytest.raises(Unavailable, match="no toys"):
        case("rollout/toy").measure(toy_bench(tmp_path), "rollout/toy")


def test_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "Request", lambda **given: Request(methods=("random",), preset="smoke"))
    [line] = lines(toy_bench(tmp_path), case("plan/cells"))
    assert checked([line], "cells/s") == ["cells"]
    assert "for 1 cells" in line.detail


def test_starts_are_of_commands_that_exist_and_python_alone_is_their_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(planning, "Request", lambda **given: Request(methods=("random",), preset="smoke"))
    monkeypatch.setattr(planning.subprocess, "run", lambda command, **settings: started.append(command[1:]))
    measured = lines(toy_bench(tmp_path), case("start"))
    assert checked(measured, "starts/s") == ["help", "import", "plan"]
    assert started[0] == ["-c", "pass"]
    assert all(line.floor for line in measured)
    assert parse(started[3][2:]).home == tmp_path / "empty"


RELEASED = """
steps = []

def load_release(checkout):
    return checkout

class Released:
    def __init__(self, release, config, steps, device, dtype):
        self.release = release

    def prepare(self, frames):
        return frames.float() / 255

    def step(self, batch, number):
        assert batch.frames.is_floating_point()
        steps.append(number)
"""


def test_released_code_takes_turns_with_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "released_mae.py").write_text(RELEASED)
    monkeypatch.setattr(released, "SCRIPTS", tmp_path)
    measured = lines(toy_bench(tmp_path, released=tmp_path), case("pretrain/mae@32"))
    assert checked(measured, "frames/s") == ["eager"]
    assert (measured[0].reference or 0) > 0
    steps = released._load(tmp_path / "released_mae.py").steps
    assert steps == list(range(len(steps)))
    assert len(steps) > TOY.repetitions
    other = lines(toy_bench(tmp_path, released=tmp_path), case("pretrain/dynamo@32"))
    assert other[0].reference is None, "a method without a release here"
    assert pretraining.scripts() == {"mae": tmp_path / "released_mae.py"}


def test_the_released_vqbet_trains_beside_ours_with_networks_of_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = stand_in_release.write(tmp_path / "dynamo_ssl")
    mine = ModuleType("datasets")  # a package of that name may be installed
    monkeypatch.setitem(sys.modules, "datasets", mine)
    bench = toy_bench(tmp_path, released=checkout)
    [line] = [line for line in lines(bench, case("fit/vqbet")) if line.reason is None]
    assert (line.reference or 0) > 0
    assert sys.modules["datasets"] is mine
    assert "datasets.core" not in sys.modules
    head, sampler = heads.build(VQBeT, bench)
    step = heads._released(bench, "vqbet", head, sampler)
    assert step is not None
    model = step.__self__.model
    ours = {"_gpt_model": head.trunk, "_map_to_cbet_preds_bin": head.code_head, "_map_to_cbet_preds_offset": head.offset_head}
    for theirs, part in ours.items():
        weights = [[p.shape for p in module.parameters() if p.ndim == 2] for module in (getattr(model, theirs), part)]
        assert sorted(weights[0]) == sorted(weights[1]), theirs
    config: Any = head.config
    named = {"latent_dim": config.latent, "n_embed": config.codes, "groups": config.groups, "fit_steps": 0, "iters": 0}
    assert model.sizes == {f"vqvae_{name}": size for name, size in named.items()} | {
        "offset_loss_multiplier": config.offset_weight
    }
    before = [parameter.clone() for parameter in model.parameters()]
    losses = [float(step()) for _ in range(20)]  # type: ignore[arg-type]
    assert model.losses == losses
    assert len(model.batches) == len(losses), "each step has a batch of its own"
    assert not any(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_a_broken_simulator_is_a_failed_line(toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self, action):
        raise RuntimeError("the joint came off")

    monkeypatch.setattr(toy, "step", step)
    bench: Bench = toy_bench(tmp_path)
    [line] = lines(bench, case("rollout/toy"))
    assert line.failed
    assert "the joint came off" in (line.reason or "")
    assert rollouts.TIMEOUT > 0
