"""The scores of a run that goes on. Numbers of a cell are computed once, and intervals only where they are shown: a run
that finds a thousand cells in the store says so in seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.planning.graph import CellId, Plan, RunCell
from benchmark.results.bundle import Results
from benchmark.results.gather import joined, outline
from benchmark.results.options import Column, RowId
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView
from benchmark.storage.artifacts import Store
from benchmark.storage.records import read_columns


@dataclass(frozen=True)
class Place:
    """Where a table shows a cell, with those of other training seeds."""

    column: Column
    row: RowId

    @classmethod
    def of(cls, cell: CellId) -> Place:
        return cls(Column(cell.env, cell.policy), RowId(cell.method, cell.variant))


@dataclass(frozen=True)
class CellScore:
    """The mean of one cell, and the interval that its place in the table has by now."""

    mean: float
    episodes: int
    crashed: int
    seeds: int  # that the interval is made of
    compute: Callable[[], Interval]

    @cached_property
    def interval(self) -> Interval:
        return self.compute()


class PartialScores:
    def __init__(self, plan: Plan, store: Store):
        self.outline = ResultsView(Results(*outline(plan)))  # rows, columns and titles, all there is before there are numbers
        self._store = store
        self._episodes: dict[Place, dict[CellId, dict[str, np.ndarray]]] = defaultdict(dict)

    def add(self, cell: RunCell) -> CellScore:
        """The scores of a cell that has finished."""
        place = Place.of(cell.id)
        episodes = read_columns(self._store.open("rollout", cell.stages["rollout"]))
        of_seeds = self._episodes[place]
        of_seeds[cell.id] = episodes
        seeds = dict(of_seeds)  # by now
        mean, crashed = float(episodes["score"].mean()), int(episodes["crashed"].sum())
        return CellScore(mean, len(episodes["score"]), crashed, len(seeds), lambda: self._interval(place, seeds))

    def _interval(self, place: Place, episodes: Mapping[CellId, Mapping[str, np.ndarray]]) -> Interval:
        """The one that a table of the same episodes shows."""
        cells = self.outline.cell_rows(place.column, place.row)
        records = joined(list(episodes), list(episodes.values()))
        interval = ResultsView(Results(records, cells)).interval(place.column, place.row)
        assert interval is not None, "a finished cell has episodes"
        return interval
