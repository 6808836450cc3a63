"""Errors of predicted actions on held-out episodes, per data set: what `stages/offline.py` recorded of each episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.core.seeds import numpy_rng
from benchmark.datasets.action_space import MOTION
from benchmark.results import statistics
from benchmark.results.options import STATISTICS, Column, RowId
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView

DATA_SET = "metric/data_set/"
OFFLINE = "metric/offline/"
ERRORS = (0.0, np.inf)


def data_sets(view: ResultsView, env: str) -> list[str]:
    """Whose held-out episodes were predicted in an environment."""
    return [name.removeprefix(DATA_SET) for name in _recorded(view, env, DATA_SET)]


def dimensions(view: ResultsView, env: str) -> list[str]:
    """Of the actions that were predicted there."""
    found = [name.removeprefix(f"{OFFLINE}error/") for name in _recorded(view, env, f"{OFFLINE}error/")]
    return sorted(found, key=lambda name: MOTION.index(name) if name in MOTION else len(MOTION))


def _recorded(view: ResultsView, env: str, prefix: str) -> list[str]:
    here = view.records[view.records.env == env] if len(view.records) else view.records
    return [str(name) for name in here if str(name).startswith(prefix) and here[name].notna().any()]


def interval(view: ResultsView, column: Column, rows: Sequence[RowId], data_set: str, metric: str) -> Interval | None:
    """Of a metric over the held-out episodes of a data set; None where it has none. Of several rows any will do: they share
    what needs no policy."""
    for row in rows:
        groups = _groups(view.episodes(column, row), f"{DATA_SET}{data_set}", f"{OFFLINE}{metric}")
        if groups:
            options = view.options
            if sum(map(len, groups)) == 1:  # which says nothing of others
                return Interval(float(groups[0][0]), *ERRORS, "one episode")
            return statistics.interval(
                groups,
                numpy_rng("offline", options.seed, data_set, metric, *column, *row),
                statistic=STATISTICS[options.statistic],
                bounds=(0.0, 1.0) if metric.endswith("gripper") else ERRORS,
                level=options.level,
                draws=options.draws,
            )
    return None


def _groups(episodes: pd.DataFrame, of: str, metric: str) -> list[np.ndarray]:
    """The values of each training seed."""
    if of not in episodes or metric not in episodes:
        return []
    here = episodes[episodes[of].eq(1.0) & episodes[metric].notna()]
    return [part[metric].to_numpy(float) for _, part in here.groupby("seed")]
