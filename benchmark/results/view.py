"""Results as a table or figure asks for them: which rows and columns, which scores, and the statistics of these.

A statistic is computed once: views of the same results with other options (`with_options`) share what was computed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import copy
from functools import cached_property
from typing import Literal, TypeVar, cast

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import plain_name
from benchmark.core.seeds import numpy_rng
from benchmark.results import statistics
from benchmark.results.bundle import Results
from benchmark.results.options import STATISTICS, Column, Options, RowId
from benchmark.results.statistics import Bounds, Comparison, Groups, Interval
from benchmark.storage.columns import CELL_COLUMNS, FEATURES, MEASURED

RowKind = Literal["ceiling", "row", "floor"]
T = TypeVar("T")
TASK = "metric/task/"  # columns that hold single tasks begin so


class ResultsView:
    """Results with the options of a table."""

    def __init__(self, results: Results, options: Options | None = None):
        if results.cells.empty:
            raise BenchmarkError("there is nothing to show: the plan has no cells")
        records, cells = (frame.assign(variant=frame.variant.fillna("")) for frame in (results.records, results.cells))
        cells = cells.reindex(columns=[*cells.columns, *(name for name in CELL_COLUMNS if name not in cells)])
        cells[MEASURED] = cells[MEASURED].apply(pd.to_numeric)
        cells[FEATURES] = cells[FEATURES].astype(float).mask(retrained(cells))
        records = records.assign(crashed=records.crashed.eq(True) if "crashed" in records else False)
        self.results, self.records, self.cells = results, _with_failures(records, cells), cells
        self._statistics: dict[Hashable, object] = {}
        self._episodes = _by_row(self.records, ["seed", "episode"])
        self._cells = _by_row(cells, ["seed"])
        self._choose(options or Options())

    def with_options(self, options: Options) -> ResultsView:
        """The same results with other options, sharing all statistics that these do not change."""
        view = copy(self)
        view._choose(options)
        return view

    def _choose(self, options: Options) -> None:
        if options.metric not in self.records and not self.records.empty:
            metrics = [c for c in self.records if c == "score" or str(c).startswith("metric/")]
            raise UnknownName("metric", options.metric, metrics)
        if unknown := _unknown_after_crash(self.records, options.metric):
            raise BenchmarkError(
                f"{unknown} crashed episodes have no {options.metric}, and its lowest value is not known. Show instead: "
                f"--metric score"
            )
        if absent := _absent(self.records, options.metric):
            raise BenchmarkError(
                f"{absent} episodes have no {options.metric}, which others of their row have. Show instead: --metric score"
            )
        self.options = options

    # ------------------------------------------------------------------------------------------------- rows and columns

    @cached_property
    def several_seeds(self) -> bool:
        """Does a row have scores of more than one training seed?"""
        return any(frame.seed.nunique() > 1 for frame in self._episodes.values())

    @cached_property
    def envs(self) -> list[str]:
        return list(dict.fromkeys(self.cells.env))

    @cached_property
    def policies(self) -> list[str]:
        return list(dict.fromkeys(self.cells.policy))

    @cached_property
    def columns(self) -> list[Column]:
        """Those that were planned."""
        planned = set(zip(self.cells.env, self.cells.policy, strict=True))
        return [Column(env, policy) for policy in self.policies for env in self.envs if (env, policy) in planned]

    @property
    def env(self) -> str:
        return _chosen("environment", self.options.env, self.envs)

    @property
    def policy(self) -> str:
        return _chosen("policy", self.options.policy, self.policies)

    @property
    def column(self) -> Column:
        """Where a table shows one."""
        return Column(self.env, self.policy)

    @cached_property
    def rows(self) -> list[RowId]:
        """All rows: the ceiling first, the floor last, the rest in the order of the cells."""
        rows = dict.fromkeys(RowId(m, v) for m, v in zip(self.cells.method, self.cells.variant, strict=True))
        return sorted(rows, key=lambda row: {"ceiling": 0, "floor": 2}.get(self.kind(row), 1))

    def kind(self, row: RowId) -> RowKind:
        return "floor" if row in self._floors else "ceiling" if row.method in self._privileged else "row"

    @property
    def floor(self) -> RowId | None:
        """The row that every other must rise above, where there is one."""
        return next((row for row in self.rows if row in self._floors), None)

    @cached_property
    def untrained(self) -> list[RowId]:
        """Networks at their random initialisation: the floor first, then those of other kinds that stand among the rows."""
        random = self._floors | _rows(self.cells[self.cells.untrained.eq(True)])
        return sorted((row for row in self.rows if row in random), key=lambda row: row not in self._floors)

    @cached_property
    def _floors(self) -> set[RowId]:
        return _rows(self.cells[self.cells.floor.astype(bool)])

    @cached_property
    def _privileged(self) -> set[str]:
        return set(self.cells.method[self.cells.privileged.astype(bool)])

    def cell_rows(self, column: Column, row: RowId) -> pd.DataFrame:
        """The cells of a row, one per seed."""
        return self._cells.get((column, row), self.cells.iloc[:0])

    def done(self, column: Column, row: RowId) -> pd.DataFrame:
        """Those that have results."""
        cells = self.cell_rows(column, row)
        return cells[cells.status == "done"]

    def bounds(self, env: str) -> Bounds:
        """What the metric can be: known for the score and for single tasks."""
        if self.options.metric.startswith(TASK):
            return (0.0, 1.0)
        if self.options.metric != "score":
            return statistics.UNBOUNDED
        return self._ranges[env]

    @cached_property
    def _ranges(self) -> dict[str, Bounds]:
        first = self.cells.drop_duplicates("env")
        ends = zip(first.env, first.metric_low, first.metric_high, strict=True)
        return {str(env): (float(low), float(high)) for env, low, high in ends}

    def env_title(self, env: str) -> str:
        return str(self.cells.env_title[self.cells.env == env].iloc[0])

    def policy_title(self, policy: str) -> str:
        return str(self.cells.policy_title[self.cells.policy == policy].iloc[0])

    def shifts(self, env: str) -> list[str]:
        """The visual shifts of an environment's rollouts."""
        shifts = self.cells[self.cells.env == env].visual_shift.dropna()
        return [str(shift) for shift in dict.fromkeys(shifts) if shift not in ("", "none", 0)]

    def task_metrics(self, env: str) -> list[str]:
        """The metric columns that hold single tasks of an environment."""
        of_env = self.records[self.records.env == env]
        return [str(c) for c in self.records if str(c).startswith(TASK) and of_env[c].notna().any()]

    # ----------------------------------------------------------------------------------------------------------- scores

    def episodes(self, column: Column, row: RowId) -> pd.DataFrame:
        return self._episodes.get((column, row), self.records.iloc[:0])

    def groups(self, column: Column, row: RowId, metric: str | None = None) -> list[np.ndarray]:
        """The scores of each training seed."""
        metric = metric or self.options.metric
        return self._once(("groups", column, row, metric), lambda: _by_seed(self.episodes(column, row), metric))

    def all_groups(self, column: Column) -> list[Groups]:
        """The scores of every row that has some."""
        return [groups for row in self.rows if (groups := self.groups(column, row))]

    def paired(self, column: Column, a: RowId, b: RowId) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The scores of two rows on the episodes that both faced, in the same order."""
        on, metric = ["seed", "episode", "episode_seed"], self.options.metric

        def compute() -> tuple[list[np.ndarray], list[np.ndarray]]:
            ours, theirs = (self.episodes(column, row)[[*on, metric]].dropna() for row in (a, b))
            if len(ours) == len(theirs) and all(np.array_equal(ours[name], theirs[name]) for name in on):
                return _by_seed(ours, metric), _by_seed(theirs, metric)  # the usual case, which needs no join
            both = ours.merge(theirs, on=on)
            return _by_seed(both, f"{metric}_x"), _by_seed(both, f"{metric}_y")

        return self._once(("paired", column, a, b, metric), compute)

    # ------------------------------------------------------------------------------------------------------- statistics

    def interval(self, column: Column, row: RowId) -> Interval | None:
        """The score of a row; None where it has none."""
        groups, bounds, options = self.groups(column, row), self.bounds(column.env), self.options
        if not groups:
            return None
        return self._once(
            ("interval", column, row, options.metric, options.statistic, bounds, *self._precision),
            lambda: statistics.interval(
                groups,
                self._rng("interval", *column, *row),
                statistic=STATISTICS[options.statistic],
                bounds=bounds,
                level=options.level,
                draws=options.draws,
            ),
        )

    def task_rate(self, column: Column, row: RowId, metric: str) -> Interval | None:
        """The success rate of one task, over the episodes that say; None where none does."""
        groups, level = self.groups(column, row, metric), self.options.level
        return self._once(
            ("task_rate", column, row, metric, level),
            lambda: statistics.bounded(groups, level=level) if groups else None,
        )

    def compare(self, column: Column, a: RowId, b: RowId) -> Comparison | None:
        """Two rows on common episodes, or None where there are none."""

        def compute() -> Comparison | None:
            ours, theirs = self.paired(column, a, b)
            if not ours:
                return None
            return statistics.compare(ours, theirs, bounds=self.bounds(column.env), level=self.options.level)

        return self._once(("compare", column, a, b, self.options.metric, *self._precision), compute)

    def improvement(self, column: Column, a: RowId, b: RowId) -> Interval:
        """How often `a` does better than `b` on an episode that both faced."""

        def compute() -> Interval:
            ours, theirs = self.paired(column, a, b)
            return statistics.improvement(ours, theirs, level=self.options.level)

        return self._once(("improvement", column, a, b, self.options.metric, *self._precision), compute)

    def ratio(self, column: Column, part: RowId, whole: RowId) -> Interval | None:
        """The quotient of two rows on common episodes; None where there are none, or it is not a number."""

        def compute() -> Interval | None:
            a, b = self.paired(column, part, whole)
            if not a:
                return None
            rng, options = self._rng("ratio", *column, *part, *whole), self.options
            ratio = statistics.ratio(a, b, rng, bounds=self.bounds(column.env), level=options.level, draws=options.draws)
            return ratio if np.isfinite(ratio.estimate) else None

        return self._once(("ratio", column, part, whole, self.options.metric, *self._precision), compute)

    def ranks(self, column: Column) -> dict[RowId, Interval]:
        """The rank of each row that has scores, 1 for the highest mean."""

        def compute() -> dict[RowId, Interval]:
            named = {str(row): row for row in self.rows}
            groups = {name: self.groups(column, row) for name, row in named.items() if self.groups(column, row)}
            rng, options = self._rng("ranks", *column), self.options
            ranks = statistics.ranks(groups, rng, bounds=self.bounds(column.env), level=options.level, draws=options.draws)
            return {named[name]: rank for name, rank in ranks.items()}

        return self._once(("ranks", column, self.options.metric, *self._precision), compute)

    @property
    def _precision(self) -> tuple[float, int, int]:
        return self.options.level, self.options.draws, self.options.seed

    def _rng(self, *purpose: str) -> np.random.Generator:
        """The generator of one number: it does not depend on which other rows are shown."""
        return numpy_rng("report", self.options.seed, *purpose)

    def _once(self, name: Hashable, compute: Callable[[], T]) -> T:
        if name not in self._statistics:
            self._statistics[name] = compute()
        return cast(T, self._statistics[name])


def retrained(cells: pd.DataFrame) -> pd.Series:
    """The cells whose policy went on to train the encoder: what was probed and looked at before is not what acts."""
    return cells.finetuned.eq(True)


def _rows(cells: pd.DataFrame) -> set[RowId]:
    return {RowId(method, variant) for method, variant in zip(cells.method, cells.variant, strict=True)}


def _by_row(frame: pd.DataFrame, order: list[str]) -> dict[tuple[Column, RowId], pd.DataFrame]:
    return {
        (Column(str(env), str(policy)), RowId(str(method), str(variant))): part.sort_values(order)
        for (env, method, variant, policy), part in frame.groupby(["env", "method", "variant", "policy"])
    }


def _with_failures(records: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """A crashed episode has failed in the task that it names, or in every one; by the metric of its environment as well as in
    its score."""
    if not records.crashed.any():
        return records
    records = records.copy()
    for env, part in records.groupby("env"):
        failed = part.index[part.crashed]
        tasks = [name for name in records if str(name).startswith(TASK) and part[name].notna().any()]
        records.loc[failed[part.loc[failed, tasks].isna().all(axis=1)], tasks] = 0.0
        own = cells[cells.env == env].iloc[0]
        if (name := f"metric/{own.metric}") in records:
            records.loc[failed, name] = own.metric_low
    return records


def _unknown_after_crash(records: pd.DataFrame, metric: str) -> int:
    if metric not in records:
        return 0
    recorded = records.groupby("env")[metric].transform("count") > 0
    return int((records.crashed & recorded & records[metric].isna()).sum())


def _absent(records: pd.DataFrame, metric: str) -> int:
    """Episodes without a metric, of rows that have it. An episode may ask for one task of several."""
    if metric not in records or metric.startswith(TASK):
        return 0
    recorded = records.groupby(["env", "method", "variant", "policy"])[metric].transform("count") > 0
    return int((recorded & records[metric].isna()).sum())


def _by_seed(frame: pd.DataFrame, metric: str) -> list[np.ndarray]:
    frame = frame.dropna(subset=metric)
    seeds, scores = frame.seed.to_numpy(), frame[metric].to_numpy(float)
    return [scores[seeds == seed] for seed in np.unique(seeds)]


def _chosen(kind: str, name: str | None, known: Sequence[str]) -> str:
    name = name and plain_name(name)
    if name is not None and name not in known:
        raise UnknownName(f"{kind} in these results", name, known)
    return name or known[0]
