"""The scores of a run that goes on. Numbers of a cell are computed once, when it finishes, so that showing them is cheap."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
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
    interval: Interval
    seeds: int  # that the interval is made of


class PartialScores:
    def __init__(self, plan: Plan, store: Store):
        self.outline = ResultsView(Results(*outline(plan)))  # rows, columns and titles, all there is before there are numbers
        self._store = store
        self._records: dict[Place, dict[int, list[dict[str, Any]]]] = defaultdict(dict)

    def add(self, cell: RunCell) -> CellScore:
        """The scores of a cell that has finished. The interval is the one that a table of the same episodes shows."""
        place, seed = Place.of(cell.id), cell.id.seed
        episodes = read_records(self._store.open("rollout", cell.stages["rollout"]))
        of_seeds = self._records[place]
        of_seeds[seed] = [{**asdict(cell.id), **episode.to_row()} for episode in episodes]
        cells = self.outline.cell_rows(place.column, place.row)
        records = pd.DataFrame([record for records in of_seeds.values() for record in records])
        interval = ResultsView(Results(records, cells)).interval(place.column, place.row)
        assert interval is not None, "a finished cell has episodes"
        mean = sum(episode.score for episode in episodes) / len(episodes)
        return CellScore(mean, len(episodes), sum(episode.crashed for episode in episodes), interval, len(of_seeds))
