"""Stages that run out of memory: tried with more of it, then pretrainings with smaller pieces of their batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from benchmark import registry
from benchmark.cli.main import main
from benchmark.contracts.data import Windows
from benchmark.core.progress import Reporter
from benchmark.launch.base import End, Job, published
from benchmark.launch.drive import Launcher
from benchmark.launch.execute import Executor
from benchmark.launch.task import ending_of
from benchmark.methods.byol import BYOL
from benchmark.methods.mae import MAE
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.resources import Machine, Resources
from benchmark.storage.artifacts import Store
from tests.launch.test_drive import Scripted, Told

BATCH = 8
SETTINGS = ("pretrain.steps=2", "pretrain.precision=fp32", "machine.threads=1", "machine.workers=0")
NO_CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 GB."
NO_GPU = "CUDA out of memory. Tried to allocate 2.00 GiB."


class Greedy(MAE):
    """Has memory for a few windows at a time."""

    name: ClassVar[str] = "greedy"
    fits: ClassVar[int] = 2

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if len(batch.frames) > self.fits:
            raise RuntimeError(NO_CPU)
        return super().loss(batch, rng)


class GreedyPairs(BYOL):
    """The same, of a method that compares the windows of a batch."""

    name: ClassVar[str] = "greedy_pairs"

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if len(batch.frames) > 2:
            raise torch.OutOfMemoryError(NO_GPU)
        return super().loss(batch, rng)


@pytest.fixture(autouse=True)
def _greedy(toy: type) -> Iterator[None]:
    for cls in (Greedy, GreedyPairs):
        registry.methods().add(cls)
    yield
    for cls in (Greedy, GreedyPairs):
        registry.methods().remove(cls.name)


class Recording(Scripted):
    """Remembers in how many pieces each try was to compute a batch."""

    def __init__(self, store: Store, **script: list[End]):
        super().__init__(store, **script)  # type: ignore[arg-type]
        self.pieces: dict[str, list[int | None]] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        super().submit(jobs)
        for job in jobs:
            self.pieces.setdefault(job.stage.kind, []).append(published(self.store, job.key)[1].accumulate)


@cache
def plan_of(method: str, *settings: str) -> Plan:
    batch = f"method.{method}.batch_size={BATCH}"
    return make_plan(Request([method], ["toy"], ["knn"], 1, "smoke", [*SETTINGS, batch, *settings]))


def tried(store: Store, end: End, times: int, *settings: str, machine: Machine, kind: str = "pretrain") -> list[int | None]:
    """The pieces of each try of a pretraining that ends so often in that way; None at the end if it is given up."""
    plan = plan_of("byol", *settings)
    engine: Any = Recording(store, **{kind: [end] * times})
    estimates = estimate(plan.stages, store)
    told: Any = Told()
    executor = Executor(store, Reporter(quiet=True), observer=told)
    result = Launcher(engine, executor, Resources(plan, estimates, machine)).run(plan, estimates)
    return [*engine.pieces[kind], *([None] if result.failed else [])]


def test_a_batch_is_halved_once_all_memory_was_not_enough(toy: type, store: Store) -> None:
    machine = Machine(2, 8.0)
    assert tried(store, End.MEMORY, 2, machine=machine) == [1, 1, 2], "the second try has all memory of the machine"
    assert tried(store, End.MEMORY, 3, machine=machine) == [1, 1, 2, 4]
    assert tried(store, End.MEMORY, 99, machine=machine) == [1, 1, 2, 4, 8, None], "a window at a time, and no further"
    assert tried(store, End.LOST, 99, machine=machine) == [1, 1, 1, None], "nobody spoke of memory"
    already = ("machine.accumulate=2", "machine.processes=2", "launch.retries=0")
    assert tried(store, End.MEMORY, 99, *already, machine=machine) == [2, 4, None]


def test_a_gpu_of_its_own_has_no_more_memory(toy: type, store: Store) -> None:
    machine = Machine(2, 8.0, gpus=1)
    assert tried(store, End.GPU_MEMORY, 1, machine=machine) == [1, 2]
    assert tried(store, End.GPU_MEMORY, 2, "resources.pretrain.gpu=0.5", machine=machine) == [1, 1, 2], "others were on it"
    assert tried(store, End.MEMORY, 2, machine=machine) == [1, 1, 2], "the machine's, which it shares"


def test_batches_are_divided_only_where_that_is_allowed_and_possible(toy: type, store: Store) -> None:
    machine = Machine(2, 8.0, gpus=1)
    assert tried(store, End.MEMORY, 99, "launch.divide_batches=false", machine=machine) == [1, 1, None]
    assert tried(store, End.GPU_MEMORY, 99, "launch.divide_batches=false", machine=machine) == [1, None]
    assert tried(store, End.MEMORY, 99, "method.byol.batch_size=7", machine=machine) == [1, 1, None]
    assert tried(store, End.GPU_MEMORY, 99, kind="embed", machine=machine) == [1, 1, None], "only pretrainings have pieces"


def run(home: Path, method: str, *settings: str) -> int:
    matrix = ("--methods", method, "--envs", "toy", "--policies", "knn", "--preset", "smoke", "--home", str(home))
    return main(["run", *matrix, "machine.cores=1", f"method.{method}.batch_size={BATCH}", *SETTINGS, *settings])


def test_a_pretraining_ends_in_pieces_that_fit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """tests/stages/test_shared_pretraining.py compares what comes out with the whole batch."""
    assert run(tmp_path, "greedy") == 0
    said = capfd.readouterr().err
    assert said.count("trying again with each batch in 2 pieces") == said.count("trying again with each batch in 4 pieces") == 1
    assert "stage failed" not in said
    (folder,) = (tmp_path / "pretrain").iterdir()
    assert Store(tmp_path).manifest("pretrain", folder.name).machine["arithmetic"].endswith(", batches in 4 pieces")
    assert not list((tmp_path / "failures").iterdir()), "the note of the first try is gone"


def test_what_still_does_not_fit_is_listed_with_what_was_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Greedy, "fits", 0)
    assert run(tmp_path, "greedy") == 1
    said = " ".join(capfd.readouterr().err.split())
    listed = f"out of memory: {NO_CPU}; with each batch in 8 pieces: out of memory: {NO_CPU}"
    assert listed in said.partition("1 stage failed; ")[2]


def test_a_method_that_compares_windows_says_so_and_what_helps(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "greedy_pairs") == 1
    said = " ".join(capfd.readouterr().err.split()).partition("1 stage failed; ")[2]
    assert f"out of memory: {NO_GPU}; with each batch in 2 pieces: machine.accumulate" in said
    assert "take more machine.processes" in said
    noted = [path.read_text() for path in (tmp_path / "failures").iterdir()]
    assert sum("out of memory" in text for text in noted) == 1, "the others build on it"


@pytest.mark.parametrize(
    ("error", "end"),
    [(torch.OutOfMemoryError(NO_GPU), End.GPU_MEMORY), (MemoryError(), End.MEMORY), (RuntimeError(NO_CPU), End.MEMORY)],
)
def test_a_stage_notes_which_memory_was_too_small(
    store: Store, error: Exception, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others hear of it by the store: the launcher of a cluster, a table."""

    def fail(*_: Any) -> None:
        raise error

    (stage,) = (stage for stage in plan_of("byol").stages.values() if stage.kind == "demos")
    monkeypatch.setattr(Executor, "_build", fail)
    assert ending_of(Executor(store, Reporter(quiet=True)), stage).end is end
    failure = store.failure(stage.key)
    assert failure is not None
    assert failure.memory == {End.GPU_MEMORY: "gpu", End.MEMORY: "machine"}[end]
