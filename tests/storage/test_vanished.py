"""A store that goes away under a run, as a network disk does that is no longer mounted."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from benchmark import registry
from benchmark.cli.main import main
from benchmark.contracts.data import Windows
from benchmark.methods.byol import BYOL

MATRIX = ("--methods", "random,vanishing", "--policies", "knn", "--envs", "toy", "--preset", "smoke")
SETTINGS = ("method.vanishing.batch_size=4", "pretrain.steps=4", "pretrain.checkpoint_every=2", "machine.threads=1")


class Vanishing(BYOL):
    """Takes the store away at its third step."""

    name: ClassVar[str] = "vanishing"

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 3 and (home := os.environ.get("VANISHES")):
            os.rename(home, f"{home}.away")
        return super().loss(batch, rng)


@pytest.fixture(autouse=True)
def _vanishing(toy: type) -> Iterator[None]:
    registry.methods().add(Vanishing)
    yield
    registry.methods().remove(Vanishing.name)


def run(home: Path) -> int | None:
    """In a process of its own, whose claims end with it."""
    command = ["run", *MATRIX, "--home", str(home), "machine.cores=1", "machine.workers=0", *SETTINGS]
    process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(main(command)))
    process.start()
    process.join()
    return process.exitcode


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in home.glob("rollout/*/records.jsonl")}


def test_a_run_ends_with_a_sentence_and_goes_on_when_its_store_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home, whole = tmp_path / "runs", tmp_path / "whole"
    monkeypatch.setenv("VANISHES", str(home))
    assert run(home) == 2
    said = capfd.readouterr().err
    assert f"error: the store {home} is gone: " in said
    assert said.count("gone") == 1
    assert "failed" not in said, "nothing is wrong with the stage"
    assert "Traceback" not in said
    assert not home.exists(), "nothing is begun in its place"
    monkeypatch.delenv("VANISHES")
    Path(f"{home}.away").rename(home)
    assert len(records(home)) == 1, "what was done before"
    assert run(home) == run(whole) == 0
    assert records(home) == records(whole)
    assert len(records(home)) == 2
    assert not list((home / "building").iterdir())
