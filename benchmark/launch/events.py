"""What a launcher tells while it works. Whoever shows a run implements `Observer`; a launcher knows none of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol

from benchmark.core.progress import Reporter, Task, duration
from benchmark.planning.graph import RunCell, Stage


class Observer(Protocol):
    """Every stage that starts ends in one of three ways; one that cannot even start fails without having started. Several may
    run at once. A stage or cell that is in the store already does not start: of the cell it is said that it finished."""

    def run_started(self, cells: Sequence[RunCell]) -> None:
        """The cells that can run, in the order in which they will."""

    def stage_started(self, stage: Stage) -> None: ...

    def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
        """Cheap enough to be told of every step."""

    def stage_finished(self, stage: Stage, seconds: float) -> None: ...

    def stage_failed(self, stage: Stage, reason: str) -> None: ...

    def stage_interrupted(self, stage: Stage) -> None:
        """It left nothing and nothing is wrong with it: Ctrl-C, a job that was taken away."""

    def cell_finished(self, cell: RunCell) -> None:
        """Its results are in the store."""

    def cell_failed(self, cell: RunCell) -> None:
        """A stage that it needs has failed."""


class ReporterObserver:
    """Shows each stage as a Reporter shows a task. Says nothing of cells: who runs single stages has none."""

    def __init__(self, reporter: Reporter):
        self.reporter = reporter
        self._shown: dict[str, tuple[Task, ExitStack]] = {}

    def run_started(self, cells: Sequence[RunCell]) -> None:
        pass

    def stage_started(self, stage: Stage) -> None:
        stack = ExitStack()
        self._shown[stage.key] = stack.enter_context(self.reporter.task(stage.label)), stack

    def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
        self._shown[stage.key][0].update(done, total, note)

    def stage_finished(self, stage: Stage, seconds: float) -> None:
        self._close(stage)
        self.reporter.say(f"  {stage.label}: {duration(seconds)}", "dim")

    def stage_failed(self, stage: Stage, reason: str) -> None:
        self._close(stage)

    def stage_interrupted(self, stage: Stage) -> None:
        self._close(stage)

    def cell_finished(self, cell: RunCell) -> None:
        pass

    def cell_failed(self, cell: RunCell) -> None:
        pass

    def _close(self, stage: Stage) -> None:
        if stage.key in self._shown:  # one that fails early was never shown
            self._shown.pop(stage.key)[1].close()


class StageTask(Task):
    """The task that a stage reports to."""

    def __init__(self, stage: Stage, observer: Observer):
        self._stage, self._observer = stage, observer
        self.earlier = 0.0  # seconds of attempts that were interrupted, as far as their work was kept

    def update(self, done: float, total: float, note: str = "") -> None:
        self._observer.stage_progress(self._stage, done, total, note)

    def resume(self, seconds: float) -> None:
        self.earlier = seconds
