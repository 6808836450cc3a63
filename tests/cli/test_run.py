"""The whole pipeline on the toy environment: from nothing to a table, interrupted, repeated, damaged, shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import registry
from benchmark.cli.main import main
from benchmark.contracts.data import Windows
from benchmark.contracts.method import Method
from benchmark.models.encoders import build_backbone
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store
from tests.cli.running import ROOT, kill_when_there_is, records, run, start
from tests.toy import Toy


def test_from_nothing_to_a_table_and_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--methods", "random,state,byol,dynamo", "--policies", "mlp,knn", "--seeds", "2")
    assert run(home, *arguments) == 0
    first = capsys.readouterr().out
    for name in ("random", "state", "byol", "dynamo"):
        assert name in first
    assert "MLP (chunking)" in first
    assert "kNN (LWR)" in first
    stages = {kind: len(list((home / kind).iterdir())) for kind in ("demos", "pretrain", "embed", "fit", "rollout", "probe")}
    # state is the same encoder under both seeds; its policies are not
    assert stages == {"demos": 1, "pretrain": 7, "embed": 7, "fit": 16, "rollout": 16, "probe": 7}
    before = {path: path.stat().st_mtime_ns for path in home.glob("*/*/manifest.json")}
    assert run(home, *arguments) == 0
    assert capsys.readouterr().out == first
    assert {path: path.stat().st_mtime_ns for path in home.glob("*/*/manifest.json")} == before, "nothing is computed twice"


def test_two_stores_hold_the_same_records_and_weights(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for place in (home, other):
        assert run(place, "--methods", "dynamo", "machine.workers=1" if place is home else "machine.workers=2") == 0
    assert records(home) == records(other)
    weights = [[p.read_bytes() for p in sorted(place.glob("*/*/*.safetensors"))] for place in (home, other)]
    assert weights[0] == weights[1]
    assert weights[0]


def test_the_encoder_is_the_same_before_and_after_the_policy(home: Path) -> None:
    """Weights and buffers: the artifact is content-addressed and verified, so it suffices that nothing rewrote it."""
    assert run(home, "--methods", "dynamo", "--policies", "mlp") == 0
    path = next(home.glob("pretrain/*/encoder.safetensors"))
    before = path.read_bytes()
    assert run(home, "--methods", "dynamo", "--policies", "mlp,knn") == 0
    assert path.read_bytes() == before
    assert main(["results", "verify", "--home", str(home)]) == 0


KILLED = (
    *("--methods", "byol", "--policies", "vqbet", "machine.threads=1"),
    *("pretrain.steps=60", "fit.steps=200"),
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    home = tmp_path_factory.mktemp("undisturbed")
    registry.envs().add(Toy)
    assert run(home, *KILLED) == 0
    registry.envs().remove("toy")
    return records(home)


@pytest.mark.parametrize("stage", ["pretrain", "fit", "rollout"])
def test_kill_9_and_the_same_command_end_with_identical_records(home: Path, undisturbed: dict[str, bytes], stage: str) -> None:
    kill_when_there_is(f"building/{stage}-*/*/out", home, *KILLED)
    assert not list(home.glob("rollout/*/manifest.json")), "it was killed too late to mean anything"
    assert run(home, *KILLED) == 0
    assert records(home) == undisturbed
    assert not list((home / "building").iterdir())


def test_a_script_without_a_guard_is_told_so_at_once(home: Path, tmp_path: Path) -> None:
    """The processes of simulators import it, as multiprocessing does; started there, the run would wait for its own lock."""
    script = tmp_path / "mine.py"
    guarded = Path(ROOT, "tests", "toy_main.py").read_text()
    script.write_text(guarded.replace('if __name__ == "__main__":', "if True:"))
    arguments = ["run", "--envs", "toy", "--methods", "random", "--preset", "smoke", "--home", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode != 0
    assert 'if __name__ == "__main__":' in done.stderr


def test_two_runs_on_one_store_share_the_work(home: Path) -> None:
    processes = [start(home, "--methods", "byol,random", "machine.threads=1") for _ in range(2)]
    outputs = [process.communicate(timeout=900) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert len(list(home.glob("pretrain/*/manifest.json"))) == 2


def test_what_another_run_is_building_is_left_for_last(home: Path) -> None:
    arguments = ("--methods", "byol,random", "--policies", "mlp", "machine.threads=1")
    plan = make_plan(Request(["byol", "random"], ["toy"], ["mlp"], 1, "smoke", ["machine.threads=1"]))
    other, stages = Store(home).prepare(), plan.cells[0].stages
    with other.claims.hold("pretrain", stages["pretrain"], lambda: None):  # as a run does that pretrains byol
        with other.claims.hold("demos", stages["demos"], lambda: None):  # and before that made the demonstrations
            process = start(home, *arguments)
            assert process.stderr is not None
            while "waiting" not in process.stderr.readline():
                assert process.poll() is None
        deadline = time.monotonic() + 600
        while not list(home.glob("rollout/*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        (done,) = (home / "rollout").glob("*/manifest.json")
        assert " random " in json.loads(done.read_text())["label"]
        assert process.poll() is None, "byol is still to be done"
    assert process.wait(timeout=900) == 0
    assert len(records(home)) == 2


@pytest.mark.parametrize("kind", ["demos", "pretrain", "embed", "tokenize", "fit", "rollout"])
def test_a_corrupt_artifact_is_named_quarantined_and_rebuilt(home: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    arguments = ["run", "--envs", "toy", "--preset", "smoke", "--home", str(home), "--methods", "byol"]
    assert main(arguments) == 0
    first = records(home)
    damaged = max((p for p in home.glob(f"{kind}/*/*") if p.name != "manifest.json"), key=lambda p: p.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(bytes(content))
    for path in [*home.glob("rollout/*/manifest.json")] if kind != "rollout" else []:
        path.unlink()  # so that the damaged artifact is needed again
        for file in path.parent.iterdir():
            file.unlink()
        path.parent.rmdir()
    if kind == "embed":  # only a policy still to be fitted reads features
        assert main([*arguments, "--policies", "default,knn"]) == 0
    elif kind == "tokenize":  # likewise, of any encoder
        assert main([*arguments[:-1], "byol,random"]) == 0
    else:
        assert main(arguments) == 0
    error = capsys.readouterr().err
    assert "corrupt artifact" in error
    assert damaged.name in "".join(error.split())
    assert len(list((home / "quarantine").iterdir())) == 1
    assert set(first.items()) <= set(records(home).items())


def test_a_simulator_that_dies_costs_one_episode_and_is_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second episode of each simulator dies: with two slots, episodes 2 and 3."""
    assert run(home, "--methods", "random", "rollout.episodes=6", "env.toy.crash_on=1") == 0
    rows = [json.loads(line) for line in next(iter(records(home).values())).splitlines()]
    assert [row["episode"] for row in rows if row["crashed"]] == [2, 3]
    assert all("the toy broke" in row["error"] and row["score"] == 0 for row in rows if row["crashed"])
    assert [row["episode"] for row in rows] == list(range(6))
    for row in rows:  # of the task that it asks for, whether it came to an end or not
        assert {name for name in row if "task/" in name} == {f"metric/task/{Toy.task(None, row['episode_seed'])}"}
        assert row["score"] == row[f"metric/task/{Toy.task(None, row['episode_seed'])}"]
    assert "crashed" in capsys.readouterr().out


class Bomb(Method):
    name = "bomb"

    @classmethod
    def build_encoder(cls, config: Any, data: Any) -> Any:
        return build_backbone("resnet18", 8, data.resolution)

    def loss(self, batch: Windows, rng: torch.Generator) -> Any:
        return self.encoder.pooled(batch.frames[:, 0, 0]).mean() * float("nan"), {}


class Absent(Bomb):
    name = "absent"

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        return "weights not here: python -m benchmark weights fetch absent"


@pytest.fixture
def _bomb() -> Iterator[None]:
    for cls in (Bomb, Absent):
        registry.methods().add(cls)
    yield
    for cls in (Bomb, Absent):
        registry.methods().remove(cls.name)


@pytest.mark.usefixtures("_bomb")
def test_a_method_that_diverges_or_is_missing_leaves_the_rest_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--envs", "toy", "--preset", "smoke", "--home", str(home), "--methods", "bomb,absent,random"]) == 1
    captured = capsys.readouterr()
    assert "the loss is nan at step 0" in " ".join(captured.err.split())
    assert "weights fetch absent" in captured.out
    assert "the loss is nan" in captured.out
    assert len(records(home)) == 1
    assert "—" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--methods", "dynmo", "--envs", "kitchen"], "did you mean dynamo"),
        (["run", "--methods", "dynamo:no_foward"], "did you mean no_forward"),
        (["run", "--methods", "dynamo", "--envs", "kitchn"], "did you mean kitchen"),
        (["run", "--methods", "dynamo", "--policies", "mpl"], "did you mean mlp"),
        (["run", "--methods", "dynamo", "method.dynamo.latent_dimm=3"], "did you mean latent_dim"),
        (["run", "--seeds", "-1"], "--seeds must be at least 1"),
        (["run", "--seeds", "two"], "--seeds"),
        (["run", "--preset", "quik"], "did you mean quick"),
        (["run", "--home", "/proc/nowhere"], "not writable"),
        (["rnu"], "did you mean run"),
        (["table", "man"], "did you mean main"),
        (["results", "show", "ffff"], "no artifact"),
        (["check", "dynmo"], "did you mean dynamo"),
    ],
)
def test_mistakes_exit_2_with_advice_and_start_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/*/*/manifest.json"))


def test_a_plan_shows_shared_stages_once(toy: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--methods", "random,dynamo,byol", "--envs", "toy", "--seeds", "3", "--policies", "mlp,knn"]
    assert main([*arguments, "--home", str(tmp_path), "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    counts = {kind: sum(s["kind"] == kind for s in plan["stages"]) for kind in ("demos", "pretrain", "embed", "fit", "rollout")}
    assert counts == {"demos": 1, "pretrain": 9, "embed": 9, "fit": 18, "rollout": 18}
    assert len(plan["cells"]) == 18
    assert not any(s["cached"] for s in plan["stages"])
    assert plan["estimate"]["seconds"] > 0


def test_the_store_can_be_listed_shown_verified_and_cleaned(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "--methods", "random") == 0
    capsys.readouterr()
    assert main(["results", "ls", "--home", str(home), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in rows} == {"demos", "pretrain", "embed", "probe", "tokenize", "fit", "rollout"}
    key = next(row["key"] for row in rows if row["kind"] == "pretrain")
    assert main(["results", "show", key[:8], "--home", str(home)]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["provenance"]["versions"]["torch"] == torch.__version__.split("+")[0]
    assert set(manifest["files"]) == {"encoder.safetensors"}
    assert manifest["inputs"]["demos"].removeprefix("demos/") in {row["key"] for row in rows}
    store = Store(home)
    with store.building("fit", "stale") as building:
        (building.out / "x").write_text("x")
        store.commit("fit", "stale", building, {})
    assert main(["results", "gc", "--yes", "--home", str(home)]) == 0
    assert "fit/stale" in capsys.readouterr().out
    assert not store.has("fit", "stale")
    assert store.has("pretrain", key)


def test_cleaning_up_leaves_what_another_process_is_building(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(home).prepare()
    for key in ("running", "abandoned"):
        with store.building("fit", key) as building:
            (building.work / "checkpoint.json").write_text("{}")
    with store.claims.hold("fit", "running", lambda: None):
        assert main(["results", "gc", "--yes", "--home", str(home)]) == 0
    printed = capsys.readouterr().out
    assert "fit-abandoned" in printed
    assert "fit-running" not in printed
    assert [path.name for path in (home / "building").iterdir()] == ["fit-running"]


def test_a_store_of_an_earlier_version_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "demos" / ("0" * 20)
    old.mkdir(parents=True)
    (old / "manifest.json").write_text("{}")
    for arguments in (["plan"], ["run", "--methods", "random"], ["results", "ls"]):
        assert main([*arguments, "--home", str(tmp_path)]) == 2
        assert "is of version 1 and this program makes version 2: choose another with --home" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ['{"methods": ["random"], "envs": ["gone"]}', '{"colour": "red"}', "[1]", "{"])
def test_nothing_is_cleaned_up_while_a_matrix_cannot_be_planned(tmp_path: Path, capsys, asked: str) -> None:
    """Of a store left by another version: which artifacts its matrix needs is unknown, so none may go."""
    store = Store(tmp_path).prepare()
    (store.root / "plans" / "old.json").write_text(asked)
    with store.building("fit", "stale"):
        pass
    assert main(["results", "gc", "--yes", "--home", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("plans/old.json") == 1
    assert list((tmp_path / "building").iterdir())


def test_films_play_what_was_recorded(home: Path) -> None:
    assert run(home, "--methods", "random", "--videos", "1") == 0
    videos = list((home / "videos").glob("*.mp4"))
    assert len(videos) == 1
    assert videos[0].stat().st_size > 500
    assert (
        main(["data", "make", "toy", "--preset", "smoke", "--home", str(home), "--video", str(home / "expert.mp4"), "--quiet"])
        == 0
    )
    assert (home / "expert.mp4").stat().st_size > 500


def test_what_is_stored_needs_no_simulator_and_the_rest_says_what_it_needs(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("--methods", "state", "--policies", "knn")
    assert run(home, *row) == 0
    monkeypatch.setattr(registry.envs().get("toy"), "unavailable_reason", classmethod(lambda cls, config: "no simulator here"))
    capsys.readouterr()
    assert run(home, *row) == 0
    assert not list(home.glob("failures/*"))
    assert main(["plan", "--envs", "toy", "--preset", "smoke", "--home", str(home), "machine.threads=1", *row]) == 0
    assert "no simulator here" not in capsys.readouterr().out
    run(home, *row, "--seeds", "2")
    assert "seed 1 left out: missing: no simulator here" in " ".join(capsys.readouterr().out.split())


def test_a_policy_can_be_sent_to_the_demonstrations_it_was_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "--methods", "state", "--policies", "knn", "rollout.starts=demonstrations", "rollout.episodes=3") == 0
    assert "a test of fitting" in capsys.readouterr().out
    (folder,) = home.glob("demos/*")
    shown = {info["seed"] for info in json.loads((folder / "episodes.json").read_text())["episodes"]}
    (rows,) = (text.splitlines() for text in records(home).values())
    seeds = [json.loads(row)["episode_seed"] for row in rows]
    assert len(set(seeds)) == 3
    assert set(seeds) <= shown
    assert run(home, "--methods", "state", "--policies", "knn", "rollout.starts=demonstrations", "rollout.episodes=4") == 1
    assert "would count some twice. Fix it with: rollout.episodes=3" in capsys.readouterr().out
