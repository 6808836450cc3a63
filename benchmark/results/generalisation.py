"""Scores on what demonstrations showed beside scores on what they did not, where an environment has both kinds of episodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmark.contracts.environment import HELD_OUT
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import numpy_rng
from benchmark.results import statistics
from benchmark.results.options import STATISTICS, Column, RowId
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView
from benchmark.storage.records import METRIC

MARK = f"{METRIC}{HELD_OUT}"


@dataclass(frozen=True)
class Halves:
    """The same results, of one kind of episodes each. A crashed episode does not say of which kind it was: `unknown` counts."""

    seen: ResultsView
    unseen: ResultsView
    unknown: int

    def gap(self, column: Column, row: RowId) -> Interval | None:
        """Unseen minus seen. The episodes are not the same ones, so nothing is paired."""
        options, bounds = self.seen.options, self.seen.bounds(column.env)
        halves = [view.groups(column, row) for view in (self.seen, self.unseen)]
        if not all(halves):
            return None
        statistic, rng = STATISTICS[options.statistic], numpy_rng("report", options.seed, "gap", *column, *row)
        estimates = [float(statistic(np.concatenate(groups))) for groups in halves]
        seen, unseen = (
            statistics.replicates(groups, rng, statistic=statistic, bounds=bounds, draws=options.draws) for groups in halves
        )
        estimate, tail = estimates[1] - estimates[0], (1 - options.level) / 2
        low, high = np.quantile(unseen - seen, [tail, 1 - tail])
        covers = "episodes" if len(halves[0]) == 1 else "seeds and episodes"
        return Interval(estimate, float(min(low, estimate)), float(max(high, estimate)), covers)


def halves(view: ResultsView) -> Halves:
    """Of the environment that is shown."""
    records = view.records[view.records.env == view.env]
    if MARK not in records or records[MARK].isna().all():
        raise BenchmarkError(
            f"episodes of {view.env} do not say whether they show something that no demonstration does: its scores lack "
            f"'{HELD_OUT}'"
        )

    def of(kind: float) -> ResultsView:
        return ResultsView(replace(view.results, records=records[records[MARK] == kind]), view.options)

    return Halves(of(0.0), of(1.0), int(records[MARK].isna().sum()))
