"""The scores of a run that goes on. Numbers of a cell are computed once, and intervals only where they are shown: a run
that finds a thousand cells in the store says so in seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmark.planning.graph import CellId, Plan, RunCell
from benchmark.results.bundle import Results
from benchmark.results.gather import outline
from benchmark.results.options import Column, RowId
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView
from benchmark.storage.artifacts import Store
from benchmark.storage.records import read_records


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
        self._records: dict[Place, dict[int, list[dict[str, Any]]]] = defaultdict(dict)

    def add(self, cell: RunCell) -> CellScore:
        """The scores of a cell that has finished."""
        place, seed = Place.of(cell.id), cell.id.seed
        episodes = read_records(self._store.open("rollout", cell.stages["rollout"]))
        of_seeds, names = self._records[place], asdict(cell.id)
        of_seeds[seed] = [{**names, **episode.to_row()} for episode in episodes]
        mean, crashed = sum(episode.score for episode in episodes) / len(episodes), sum(episode.crashed for episode in episodes)
        records = [record for records in of_seeds.values() for record in records]
        return CellScore(mean, len(episodes), crashed, len(of_seeds), lambda: self._interval(place, records))

    def _interval(self, place: Place, records: list[dict[str, Any]]) -> Interval:
        """The one that a table of the same episodes shows."""
        cells = self.outline.cell_rows(place.column, place.row)
        interval = ResultsView(Results(pd.DataFrame(records), cells)).interval(place.column, place.row)
        assert interval is not None, "a finished cell has episodes"
        return interval
