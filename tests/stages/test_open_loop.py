"""Scores of recordings: agreement with held-out actions."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.cli.main import main
from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Dataset
from benchmark.data.episodes import Demos
from benchmark.stages import open_loop
from benchmark.stages.open_loop import agreement
from tests.toy import Toy, ToyConfig


@dataclass
class RecordedConfig(ToyConfig):
    mirrored: bool = False  # the second task is to do the opposite


class Recorded(Dataset):
    """Recordings in which the action is a smooth function of the state, and of the task if they are mirrored."""

    name = "recorded_toy"
    Config = RecordedConfig
    presets = {"smoke": {"resolution": 32, "episodes": 10, "demonstrations": "recorded"}}

    @classmethod
    def spec(cls, config: Any) -> Any:
        return replace(Toy.spec(config), metric="action_r2", tasks=("towards", "away"))

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        rng = np.random.default_rng(0)
        for index in range(config.episodes):
            task = ("towards", "away")[index % 2]
            sign = -1 if config.mirrored and task == "away" else 1
            states = rng.uniform(size=(40, 4)).astype(np.float32)
            frames = rng.integers(0, 256, (40, 1, 32, 32, 3), dtype=np.uint8)  # which say nothing
            info = {"task": task, "language": [float(task == "away"), 0.5]}
            yield Episode(frames, sign * (states[:, :2] - states[:, 2:]), states, states[:, :2], info)


@pytest.fixture
def env() -> Iterator[str]:
    registry.envs().add(Recorded)
    yield Recorded.name
    registry.envs().remove(Recorded.name)


def test_agreement_by_hand():
    recorded = np.array([[0.0], [1.0], [2.0]])
    assert agreement(recorded, recorded) == {"action_r2": 1.0, "action_r2_raw": 1.0, "action_error": 0.0}
    assert agreement(recorded.mean(0) + 0 * recorded, recorded)["action_r2"] == 0.0
    assert agreement(recorded + np.eye(3)[:, :1], recorded)["action_r2"] == pytest.approx(1 - 1 / 2)
    assert agreement(recorded[::-1] / 2 + 0.5, recorded)["action_r2"] == pytest.approx(-1.25 + 0.0, abs=1), "below 0, not cut"
    worse = agreement(-recorded, recorded)
    assert (worse["action_r2"], worse["action_r2_raw"]) == (-1.0, 1 - 20 / 2)


def test_a_recording_is_scored_without_a_simulator(env: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--envs", env, "--preset", "smoke", "--quiet", "machine.threads=1", "--methods", "state,random"]
    for home in ("one", "two"):
        assert main(["run", "--home", str(tmp_path / home), "--policies", "knn,vqbet", *arguments]) == 0
    one, two = ({p.parent.name: p.read_bytes() for p in (tmp_path / h).glob("rollout/*/records.jsonl")} for h in ("one", "two"))
    assert one == two
    scores = {}
    for manifest in _manifests(tmp_path / "one"):
        head, method, *_ = manifest["label"].split(" · ")
        scores[head.split()[-1], method] = manifest["summary"]["mean_score"]
    assert scores["knn", "state"] > 0.7
    assert scores["knn", "random"] < 0.2, "frames that say nothing predict nothing"
    assert "state" in capsys.readouterr().out


def test_frames_are_read_in_pieces(env: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Those of one are gone before the next is read."""
    kept: list[weakref.ref[Any]] = []
    observations = Demos.observations

    def looked(self: Demos, rows: Any, *rest: Any, **named: Any) -> Any:
        seen = observations(self, rows, *rest, **named)
        if seen.frames is not None and isinstance(rows, slice) and rows.stop - rows.start <= 4:
            assert [ref for ref in kept if ref() is not None] == []
            kept.append(weakref.ref(seen.frames))
        return seen

    monkeypatch.setattr(Demos, "observations", looked)
    monkeypatch.setattr(open_loop, "BATCH", 4)
    arguments = ["--envs", env, "--preset", "smoke", "--quiet", "machine.threads=1", "--methods", "random", "--policies", "knn"]
    assert main(["run", "--home", str(tmp_path), *arguments]) == 0
    assert len(kept) > 3


def test_only_held_out_demonstrations_are_scored(env: str, tmp_path: Path):
    arguments = ["--envs", env, "--preset", "smoke", "--quiet", "machine.threads=1", "--methods", "state", "--policies", "knn"]
    assert main(["run", "--home", str(tmp_path), *arguments, "split.held_out=0.3"]) == 0
    (records,) = tmp_path.glob("rollout/*/records.jsonl")
    assert len(records.read_text().splitlines()) == 3, "of 10"


def test_what_the_encoder_was_trained_on_is_not_scored(env: str, tmp_path: Path):
    """Policies keep from training what encoders need not keep: scores are of what is in both sets."""
    arguments = ["--envs", env, "--preset", "smoke", "--quiet", "machine.threads=1", "--methods", "state", "--policies", "knn"]
    sets = {}
    for held_out, from_policies in ((0.1, 0.3), (0.3, 0.1)):
        home = tmp_path / str(held_out)
        split = [f"split.held_out={held_out}", f"split.held_out_from_policies={from_policies}"]
        assert main(["run", "--home", str(home), *arguments, *split]) == 0
        (records,) = home.glob("rollout/*/records.jsonl")
        sets[held_out] = len(records.read_text().splitlines())
    assert sets == {0.1: 1, 0.3: 1}, "of 10"


def test_a_prediction_that_is_lost_is_no_score(env: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    predict = open_loop.predict

    def lost(*arguments: Any) -> tuple[np.ndarray, np.ndarray]:
        predicted, recorded = predict(*arguments)
        return np.full_like(predicted, np.nan), recorded

    monkeypatch.setattr(open_loop, "predict", lost)
    arguments = ["--envs", env, "--preset", "smoke", "--quiet", "machine.threads=1", "--methods", "state", "--policies", "knn"]
    main(["run", "--home", str(tmp_path), *arguments])
    (records,) = tmp_path.glob("rollout/*/records.jsonl")
    assert "predicted NaN" in records.read_text()


@pytest.mark.parametrize("goal", ["task", "language"])
def test_a_recording_is_scored_with_the_goal_it_was_recorded_for(env: str, tmp_path: Path, goal: str):
    arguments = ["--envs", env, "--preset", "smoke", "--quiet", "machine.threads=1", "--methods", "state", "--policies", "knn"]
    mirrored = ["env.recorded_toy.mirrored=true", "env.recorded_toy.episodes=40"]
    scores = {}
    for kind in ("none", goal):
        assert main(["run", "--home", str(tmp_path / kind), *arguments, *mirrored, f"fit.goal={kind}"]) == 0
        (manifest,) = _manifests(tmp_path / kind)
        scores[kind] = manifest["summary"]["mean_score"]
    assert scores["none"] < 0.3, "one state, two opposite actions"
    assert scores[goal] > 0.6


def _manifests(home: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in home.glob("rollout/*/manifest.json")]
