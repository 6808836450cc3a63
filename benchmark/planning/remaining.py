"""How long the rest of a run will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import CellId, RunCell, Stage


class TimeLeft:
    """Estimates, corrected by what stages of the same kind have taken in this run: the rates of a store that has seen nothing
    are guesses."""

    def __init__(self, estimates: Mapping[str, Estimate]):
        self._estimates = estimates
        self._spent: dict[str, float] = defaultdict(float)
        self._expected: dict[str, float] = defaultdict(float)

    def measured(self, stage: Stage, seconds: float) -> None:
        """A stage has taken so long. One that was expected to take nothing, such as the fit of neighbours, says nothing of
        others of its kind."""
        if expected := self._expectation(stage):
            self._spent[stage.kind] += seconds
            self._expected[stage.kind] += expected

    def needs(self, cells: Iterable[RunCell]) -> dict[CellId, set[str]]:
        """The keys of each cell's stages that are to be done: of those in the store there is no estimate."""
        return {cell.id: self._estimates.keys() & cell.stages.values() for cell in cells}

    def of(self, stages: Iterable[Stage]) -> float:
        """Seconds for those of the stages that are still to do."""
        return sum(self._expectation(stage) * self._correction(stage.kind) for stage in stages)

    def _expectation(self, stage: Stage) -> float:
        return self._estimates[stage.key].seconds if stage.key in self._estimates else 0.0

    def _correction(self, kind: str) -> float:
        return self._spent[kind] / self._expected[kind] if kind in self._expected else 1.0
