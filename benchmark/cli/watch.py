"""Shows a run while it goes on: a table that grows on a terminal, elsewhere a line with its score for every cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.live import Live

from benchmark.core.progress import Pace, Reporter, duration
from benchmark.launch.events import Observer, ReporterObserver
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import CellId, Plan, RunCell, Stage
from benchmark.planning.remaining import TimeLeft
from benchmark.report.live import Running, Screen
from benchmark.results.partial import PartialScores, Place
from benchmark.storage.artifacts import Store

REDRAWS = 2  # per second: a clock that moves, at no cost that a training on two cores would notice


def make_observer(
    plan: Plan, store: Store, estimates: Mapping[str, Estimate], reporter: Reporter
) -> ScreenObserver | LineObserver:
    """Who shows a run."""
    scores = PartialScores(plan, store)
    if reporter.draws and reporter.console.is_interactive and sys.stdout.isatty():
        return ScreenObserver(plan, scores, estimates)
    return LineObserver(reporter, scores, plan, estimates)


@contextmanager
def watching(observer: Observer, reporter: Reporter) -> Iterator[None]:
    """A screen is drawn while the block runs, by a thread of its own."""
    if isinstance(observer, ScreenObserver):
        with drawing(observer.screen, reporter.console):
            yield
    else:
        yield


@contextmanager
def drawing(screen: Screen, console: Console) -> Iterator[None]:
    """What is said meanwhile stands above. At the end the final table takes its place; where an error or Ctrl-C ends the block,
    the scores so far stay to be read."""
    with Live(screen, console=console, refresh_per_second=REDRAWS, vertical_overflow="crop") as live:
        yield
        live.transient = True


class LineObserver(ReporterObserver):
    """`[3/40] random · kitchen · knn · seed 0: 2.06 of 4 (16 episodes), about 12 min 30 s left`. These lines are results: a
    quiet run has them, too."""

    def __init__(self, reporter: Reporter, scores: PartialScores, plan: Plan, estimates: Mapping[str, Estimate]):
        super().__init__(reporter)
        self._scores, self._results = scores, Reporter()
        self._plan, self._left = plan, TimeLeft(estimates)
        self._waiting: dict[CellId, set[str]] = {}  # cells that have not ended, with what they need that takes time
        self._settled: set[str] = set()  # keys of stages that have
        self._cells = self._ended = 0

    def run_started(self, cells: Sequence[RunCell]) -> None:
        self._waiting = self._left.needs(cells)
        self._cells = len(cells)

    def stage_finished(self, stage: Stage, seconds: float) -> None:
        super().stage_finished(stage, seconds)
        self._left.measured(stage, seconds)
        self._settled.add(stage.key)

    def stage_failed(self, stage: Stage, reason: str) -> None:
        super().stage_failed(stage, reason)
        self._settled.add(stage.key)

    def cell_finished(self, cell: RunCell) -> None:
        score = self._scores.add(cell)
        low, high = self._scores.outline.bounds(cell.id.env)
        of = f" of {high:g}" if low == 0 and high < float("inf") else ""
        crashed = f", {score.crashed} crashed" if score.crashed else ""
        self._say(cell, f"{score.mean:.2f}{of} ({score.episodes} episodes{crashed})", "green")

    def cell_failed(self, cell: RunCell) -> None:
        self._say(cell, "failed", "red")

    def _say(self, cell: RunCell, text: str, style: str) -> None:
        self._ended += 1
        self._waiting.pop(cell.id, None)
        seconds = self._left.of(self._plan.stages[key] for key in set().union(*self._waiting.values()) - self._settled)
        left = f", about {duration(seconds)} left" if seconds >= 1 else ""
        self._results.say(f"[{self._ended}/{self._cells}] {cell.label}: {text}{left}", style)


class ScreenObserver:
    """Keeps a `Screen` up to date."""

    def __init__(self, plan: Plan, scores: PartialScores, estimates: Mapping[str, Estimate]):
        self.screen = Screen(scores.outline)
        self._plan, self._scores, self._left = plan, scores, TimeLeft(estimates)
        self._waiting: dict[CellId, set[str]] = {}  # cells that have not ended, with what they need that takes time
        self._settled: set[str] = set()  # keys of stages that have
        self._running: dict[str, tuple[Running, Pace, Place]] = {}
        self._places: dict[str, Place] = {}  # of the first cell that needs a stage: it is built for this one

    def run_started(self, cells: Sequence[RunCell]) -> None:
        self._waiting = self._left.needs(cells)
        for cell in cells:
            keys = list(cell.stages.values())
            while keys:  # also what a cell needs and does not list: rounds of collecting
                if (key := keys.pop()) not in self._places:
                    self._places[key] = Place.of(cell.id)
                    keys += [ref.key for ref in self._plan.stages[key].inputs.values()]
        absent = {Place.of(cell.id) for cell in self._plan.cells} - {Place.of(cell.id) for cell in cells}
        self.screen.grid = replace(self.screen.grid, absent=frozenset(absent))
        self._recount(cells=len(cells))

    def stage_started(self, stage: Stage) -> None:
        ends = time.monotonic() + self._left.of([stage])
        self._running[stage.key] = Running(stage.label, ends), Pace(), self._places[stage.key]
        self._show_stages()
        self._recount()

    def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
        running, pace, place = self._running[stage.key]
        seconds = pace.left(done, total)
        ends = running.ends if seconds is None else time.monotonic() + seconds
        self._running[stage.key] = Running(stage.label, ends, done, total, note), pace, place
        self._show_stages()

    def stage_finished(self, stage: Stage, seconds: float) -> None:
        self._left.measured(stage, seconds)
        self._end(stage)

    def stage_failed(self, stage: Stage, reason: str) -> None:
        self._end(stage)

    def stage_interrupted(self, stage: Stage) -> None:
        self._running.pop(stage.key, None)
        self._show_stages()

    def cell_finished(self, cell: RunCell) -> None:
        place, score = Place.of(cell.id), self._scores.add(cell)
        others = {at: other for at, other in self.screen.grid.scores.items() if at != place}
        self.screen.grid = replace(self.screen.grid, scores={**others, place: score})
        del self._waiting[cell.id]
        self._recount(done=self.screen.counts.done + 1)

    def cell_failed(self, cell: RunCell) -> None:
        self.screen.grid = replace(self.screen.grid, failed=self.screen.grid.failed | {Place.of(cell.id)})
        del self._waiting[cell.id]
        self._recount(failed=self.screen.counts.failed + 1)

    def _end(self, stage: Stage) -> None:
        self._settled.add(stage.key)
        self._running.pop(stage.key, None)  # one that fails early never ran
        self._show_stages()
        self._recount()

    def _show_stages(self) -> None:
        self.screen.stages = tuple(running for running, _, _ in self._running.values())
        places = frozenset(place for _, _, place in self._running.values())
        if places != self.screen.grid.running:
            self.screen.grid = replace(self.screen.grid, running=places)

    def _recount(self, **changed: int) -> None:
        """What is still to start, for cells that can still be completed."""
        keys = set().union(*self._waiting.values()) - self._settled - self._running.keys()
        waiting = self._left.of(self._plan.stages[key] for key in keys)
        self.screen.counts = replace(self.screen.counts, waiting=waiting, **changed)
