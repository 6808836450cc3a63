"""What a launcher tells of a run on the toy environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark import registry
from benchmark.contracts.data import Windows
from benchmark.contracts.method import Method
from benchmark.core.errors import Lost
from benchmark.core.progress import Reporter
from benchmark.launch.choose import make_launcher
from benchmark.launch.execute import Executor
from benchmark.models.encoders import build_backbone
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan, RunCell, Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.results.bundle import Results
from benchmark.results.gather import collect
from benchmark.results.partial import PartialScores, Place
from benchmark.results.view import ResultsView
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import Store
from benchmark.storage.files import discard
from benchmark.training.checkpoints import Trained


class Explosive(Method):
    """Its loss is what a test says."""

    name = "explosive"
    raises: BaseException | None = None

    @classmethod
    def build_encoder(cls, config: Any, data: Any) -> Any:
        return build_backbone("resnet18", 8, data.resolution)

    def loss(self, batch: Windows, rng: torch.Generator) -> Any:
        assert self.raises is not None
        raise self.raises


@pytest.fixture
def plan(toy: type) -> Iterator[Plan]:
    registry.methods().add(Explosive)
    yield make_plan(Request(["explosive", "random"], ["toy"], ["knn"], 1, "smoke", ["machine.threads=1"]))
    registry.methods().remove("explosive")


class Listener:
    """Writes every event down."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []
        self.progress: list[str] = []

    def run_started(self, cells: Sequence[RunCell]) -> None:
        self.heard.append(("run", *(cell.id.row for cell in cells)))

    def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
        self.progress.append(stage.kind)

    def stage_failed(self, stage: Stage, reason: str) -> None:
        self.heard.append(("stage_failed", stage.kind, reason))

    def stage_finished(self, stage: Stage, seconds: float) -> None:
        assert seconds > 0
        self.heard.append(("stage_finished", stage.kind))

    def __getattr__(self, event: str) -> Callable[[Any], None]:
        return lambda what: self.heard.append((event, what.kind if isinstance(what, Stage) else what.id.row))


def launch(plan: Plan, store: Store) -> Listener:
    listener = Listener()
    estimates, executor = estimate(plan.stages, store), Executor(store, Reporter(quiet=True), observer=listener)
    try:
        make_launcher("local", plan, estimates, executor, fail_fast=False).run(plan, estimates)
    except KeyboardInterrupt:
        listener.heard.append(("KeyboardInterrupt",))
    return listener


def test_every_stage_and_cell_is_told_once_in_order(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Explosive, "raises", ValueError("boom"))
    listener = launch(plan, store)
    kinds = ("demos", "pretrain", "embed", "probe", "fit", "rollout")
    assert listener.heard == [
        ("run", "random", "explosive"),
        *(one for kind in kinds for one in (("stage_started", kind), ("stage_finished", kind))),
        ("cell_finished", "random"),
        ("stage_started", "pretrain"),
        ("stage_failed", "pretrain", "ValueError: boom"),
        ("cell_failed", "explosive"),
    ]
    assert {"demos", "embed", "probe", "rollout"} <= set(listener.progress)
    again = launch(plan, store)
    assert again.heard[:2] == [("run", "random", "explosive"), ("cell_finished", "random")], "what is stored does not start"
    finished = plan.cells[1]
    score, place = PartialScores(plan, store).add(finished), Place.of(finished.id)
    whole = ResultsView(Results(*collect(plan, store)))
    assert score.interval == whole.interval(place.column, place.row), "the number is that of the table"


def test_a_stage_that_leaves_the_interpreter_has_failed(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.exit(0)` in the code of a method ended the whole run, with the exit code of success."""
    monkeypatch.setattr(Explosive, "raises", SystemExit(0))
    assert ("stage_failed", "pretrain", "it called sys.exit(0)") in launch(plan, store).heard


def test_a_stage_whose_process_was_killed_is_tried_again(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Explosive, "raises", Lost("another process of this training was killed by SIGKILL"))
    told = launch(plan, store).heard
    assert told.count(("stage_interrupted", "pretrain")) == 3
    assert told[-2][:2] == ("stage_failed", "pretrain")


@pytest.mark.parametrize("tracker", ["none", "wandb"])
def test_the_wall_time_of_a_training_is_that_of_all_its_attempts(
    tracker: str, toy: type, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.training.loop.Checkpoint.load", lambda self: (0, Trained(1000.0)))
    plan = make_plan(Request(["byol"], ["toy"], ["knn"], preset="smoke", overrides=["pretrain.steps=1", "method.byol.width=8"]))
    for stage in [stage for stage in plan.stages.values() if stage.kind in ("demos", "pretrain")]:
        executor = Executor(store, Reporter(quiet=True), Execution(workers=0, threads=1, tracker=tracker))
        executor.execute(stage)
        took = store.manifest(stage.kind, stage.key).wall_seconds
        assert (1000 < took < 1100) == (stage.kind == "pretrain")


def test_a_stage_that_was_taken_over_is_no_failure(plan: Plan, store: Store) -> None:
    """This process was suspended for longer than its claim lives; when it goes on, another one has built the artifact."""
    demos, listener = next(stage for stage in plan.stages.values() if stage.kind == "demos"), Listener()

    class Suspended(Listener):
        def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
            discard(store.root / "claims")
            Executor(Store(store.root), Reporter(quiet=True), observer=listener).execute(stage)

    folder = Executor(store, Reporter(quiet=True), observer=Suspended()).execute(demos)
    assert folder == store.folder("demos", demos.key)
    assert listener.heard == [("stage_started", "demos"), ("stage_finished", "demos")]
    assert not list((store.root / "failures").iterdir())


def test_an_interruption_is_told_and_goes_on_upwards(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Explosive, "raises", KeyboardInterrupt())
    listener = launch(plan, store)
    assert listener.heard[-3:] == [
        ("stage_started", "pretrain"),
        ("stage_interrupted", "pretrain"),
        ("KeyboardInterrupt",),
    ]
    assert not list(Path(store.root / "failures").iterdir())
