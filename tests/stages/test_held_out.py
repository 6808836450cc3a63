"""No training sees held-out demonstrations: replace them by nonsense, and what is trained stays the same to the bit."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from benchmark.cli.main import main
from benchmark.data.episodes import open_demos
from tests.stages.spies import EPISODES, Recordings

HELD_OUT = 0.25


def run(home: Path, methods: str, policies: str, spoilt: frozenset[int] = frozenset()) -> None:
    Recordings.spoilt = spoilt
    flags = ["--envs", "recordings", "--preset", "smoke", "--home", str(home), "--quiet"]
    settings = ["machine.threads=1", "machine.workers=0", f"split.held_out={HELD_OUT}", "rollout.episodes=1", "rollout.slots=1"]
    few = ["fit.steps=6", "fit.checkpoint_every=3", "joint.batch=4"]
    assert main(["run", *flags, "--methods", methods, "--policies", policies, *settings, *few]) == 0


def held_out(home: Path) -> frozenset[int]:
    (folder,) = home.glob("demos/*")
    return frozenset(int(episode) for episode in open_demos(folder).split(HELD_OUT)[1])


def trained(home: Path) -> dict[str, bytes]:
    """Everything that training leaves: encoders, policies with their normalisers, what probes measure of training rows."""
    patterns = ("pretrain/*/encoder.safetensors", "fit/*/last.safetensors", "probe/*/spectrum.csv")
    paths = [path for pattern in patterns for path in home.glob(pattern)]
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in paths}


def validation_losses(home: Path) -> list[list[str]]:
    return [
        [row["validation_loss"] for row in csv.DictReader(path.open()) if row.get("validation_loss")]
        for path in sorted(home.glob("fit/*/curves.csv"))
    ]


@pytest.fixture
def homes(spies: None, tmp_path: Path) -> tuple[Path, Path]:
    """Two stores of the same run, the second with other held-out demonstrations."""
    one, two = tmp_path / "one", tmp_path / "two"
    matrix = "byol,end_to_end", "mlp,vqbet"
    run(one, *matrix)
    away = held_out(one)
    assert len(away) == round(HELD_OUT * EPISODES)
    run(two, *matrix, spoilt=away)
    return one, two


def test_what_is_trained_does_not_depend_on_held_out_demonstrations(homes: tuple[Path, Path]) -> None:
    one, two = map(trained, homes)
    assert len(one) == 2 + 4 + 2
    assert one.keys() == two.keys()
    for name, content in one.items():
        assert content == two[name], name
    for before, after in zip(*map(validation_losses, homes), strict=True):
        assert before, "each fit is validated"
        assert all(a != b for a, b in zip(before, after, strict=True)), "on held-out demonstrations"


def test_a_bank_of_neighbours_holds_training_demonstrations_only(spies: None, tmp_path: Path) -> None:
    run(tmp_path / "one", "state", "knn")
    run(tmp_path / "two", "state", "knn", spoilt=held_out(tmp_path / "one"))
    one, two = (load_file(next(home.glob("fit/*/last.safetensors"))) for home in (tmp_path / "one", tmp_path / "two"))
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_probes_are_fitted_on_training_and_scored_on_held_out_demonstrations(spies: None, tmp_path: Path) -> None:
    """Where held-out images say nothing, a probe can read nothing from them, unless it was fitted on them."""
    run(tmp_path / "one", "random", "knn")
    run(tmp_path / "two", "random", "knn", spoilt=held_out(tmp_path / "one"))
    one, two = (
        json.loads(next((tmp_path / name).glob("probe/*/manifest.json")).read_text())["summary"] for name in ("one", "two")
    )
    assert one["linear_r2"] > 0.8
    assert two["linear_r2"] < 0.2
    assert one["nearest_error"] < 1.5
    assert two["nearest_error"] > 1.5
