"""What a reader has to know besides the numbers: what is absent, crashed or collapsed, how much was sampled, and how small a
difference these results could show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from benchmark.results import statistics
from benchmark.results.options import STATISTICS, Column, RowId
from benchmark.results.power import Components, components, detectable
from benchmark.results.view import ResultsView

PRECISIONS = {"fp32", "bf16"}


@dataclass(frozen=True)
class Absent:
    """A seed without results: `status` is missing, failed or pending."""

    seed: int
    status: str
    reason: str | None


@dataclass(frozen=True)
class Flagged:
    """A seed whose features collapsed, or whose pretraining taught it nothing, and how one sees that."""

    seed: int
    reason: str


@dataclass(frozen=True)
class Condition:
    """The state of one row in one column."""

    planned: int  # seeds
    absent: tuple[Absent, ...]
    others: tuple[int, ...]  # seeds that other rows of the column have and this one was not planned with
    crashed: int  # episodes
    episodes: int
    collapsed: tuple[Flagged, ...]
    not_learned: tuple[Flagged, ...]


@dataclass(frozen=True)
class Span:
    """From the fewest to the most."""

    low: int
    high: int

    @classmethod
    def of(cls, counts: pd.Series | np.ndarray) -> Span | None:
        return cls(int(counts.min()), int(counts.max())) if len(counts) else None


@dataclass(frozen=True)
class Sample:
    """What the scores of an environment are made of; the spans are over its rows."""

    metrics: list[str]
    episodes: Span | None  # per seed
    seeds: Span | None
    demonstrations: list[str]


@dataclass(frozen=True)
class Network:
    """What looks at frames, and what it does to them first."""

    description: str
    parameters: int


@dataclass(frozen=True)
class Agreement:
    """Spearman's coefficient of the scores of two training seeds, averaged over pairs of seeds."""

    correlation: float
    pairs: int
    rows: Span


def condition(view: ResultsView, column: Column, row: RowId) -> Condition:
    needed = ["seed", "status", "reason", "collapsed", "collapse_reason", "not_learned"]
    cells, crashed = list(view.cell_rows(column, row)[needed].itertuples()), view.episodes(column, row).crashed
    seeds = view.cells[(view.cells.env == column.env) & (view.cells.policy == column.policy)].seed
    return Condition(
        planned=len(cells),
        absent=tuple(
            Absent(int(cell.seed), str(cell.status), cell.reason if isinstance(cell.reason, str) else None)
            for cell in cells
            if cell.status != "done"
        ),
        others=tuple(sorted({int(seed) for seed in seeds} - {int(cell.seed) for cell in cells})),
        crashed=int(crashed.sum()),
        episodes=len(crashed),
        collapsed=tuple(Flagged(int(cell.seed), str(cell.collapse_reason)) for cell in cells if cell.collapsed == 1),
        not_learned=tuple(Flagged(int(cell.seed), cell.not_learned) for cell in cells if isinstance(cell.not_learned, str)),
    )


def sample(view: ResultsView, env: str) -> Sample:
    records, cells = view.records[view.records.env == env], view.cells[view.cells.env == env]
    return Sample(
        metrics=distinct(cells.metric),
        episodes=Span.of(records.groupby(["method", "variant", "policy", "seed"]).size()),
        seeds=Span.of(records.groupby(["method", "variant", "policy"]).seed.nunique()),
        demonstrations=distinct(cells.demonstrations),
    )


def mixed_arithmetic(view: ResultsView) -> list[str]:
    """What the cells were computed with, if not all with the same: threads and instruction sets or GPUs, and precisions."""
    facts = {fact for text in view.cells.get("computed_with", ()) if isinstance(text, str) for fact in text.split("; ") if fact}
    precisions = facts & PRECISIONS
    return sorted(facts) if len(precisions) > 1 or len(facts - precisions) > 1 else []


def networks(view: ResultsView, columns: Sequence[Column], rows: Sequence[RowId]) -> dict[tuple[Network, ...], list[RowId]]:
    """Which rows look at frames with which network: several where it depends on the environment. The ceiling looks at none, and
    records of an earlier version do not say."""
    of_network: dict[tuple[Network, ...], list[RowId]] = {}
    for row in rows:
        if view.kind(row) == "ceiling":
            continue
        cells = pd.concat([view.done(column, row) for column in columns])
        cells = cells[cells.encoder.notna() & cells.encoder.ne("")]
        known = tuple(dict.fromkeys(Network(str(cell.encoder), int(cell.encoder_params)) for cell in cells.itertuples()))
        if known:
            of_network.setdefault(known, []).append(row)
    return of_network


def distinct(values: pd.Series) -> list[str]:
    return [str(value) for value in dict.fromkeys(values.dropna())]


def variances(view: ResultsView, column: Column) -> Components | None:
    """Between seeds and between episodes, averaged over the rows of a column; None without two episodes of a seed."""
    rows = view.all_groups(column)
    if not any(len(group) > 1 for groups in rows for group in groups):
        return None
    varied = any(np.ptp(np.concatenate(groups)) > 0 for groups in rows)  # or else by rounding alone
    return components(rows) if varied else Components(0.0, 0.0)


def smallest_difference(of_score: Components, seeds: int, episodes: int, level: float) -> float | None:
    """What is found between two rows in four of five cases; infinite where nothing is, None where no score varies: then nobody
    can tell."""
    if of_score == Components(0.0, 0.0):
        return None
    return detectable(of_score.of_difference(), seeds, episodes, level=level)


def in_common(view: ResultsView, column: Column) -> tuple[int, int]:
    """The fewest training seeds that two rows share, and the fewest episodes of such a seed."""
    rows = [row for row in view.rows if view.groups(column, row)]
    shared = [view.paired(column, a, b)[0] for a, b in combinations_with_replacement(rows, 2)]
    return min(map(len, shared), default=0), min((len(group) for groups in shared for group in groups), default=0)


def resolution(view: ResultsView, column: Column) -> float | None:
    """The smallest difference between any two rows that the seeds and episodes they share find in four of five cases.

    None where no score varies, or two rows share fewer than two seeds: then nobody can tell.
    """
    of_score = variances(view, column)
    if of_score is None:
        return None
    size = smallest_difference(of_score, *in_common(view, column), level=view.options.level)
    return size if size is not None and np.isfinite(size) else None


def agreement(view: ResultsView, column: Column) -> Agreement | None:
    """Do training seeds rank the rows alike? None where fewer than five rows have two seeds in common. The ceiling would agree
    with itself for other reasons."""
    rows = {row: view.episodes(column, row) for row in view.rows if view.kind(row) != "ceiling"}
    scores = pd.DataFrame({row: frame.groupby("seed")[view.options.metric].mean() for row, frame in rows.items()})
    scores = scores.T.dropna(thresh=2)  # a row of one seed has nothing to agree with
    present = scores.notna().to_numpy().astype(int)
    table = scores.corr("spearman", min_periods=statistics.MIN_ROWS).to_numpy()
    chosen = np.triu(~np.isnan(table), 1)
    pairs, rows_of_pairs = table[chosen], Span.of((present.T @ present)[chosen])
    return Agreement(float(pairs.mean()), len(pairs), rows_of_pairs) if rows_of_pairs else None


def best(view: ResultsView, column: Column, rows: Sequence[RowId]) -> set[RowId]:
    """The unprivileged row with the highest score, and those not distinguishable from it in a paired comparison; empty where
    fewer than two rows have scores, or nothing is known of some: they share one seed with it, and two trained networks are not
    two methods, or no episode."""
    scored = [row for row in rows if view.kind(row) != "ceiling" and view.groups(column, row)]
    if len(scored) < 2:
        return set()
    statistic = STATISTICS[view.options.statistic]
    top = max(scored, key=lambda row: float(statistic(np.concatenate(view.groups(column, row)))))
    gaps = {row: view.compare(column, top, row) for row in scored if row != top}
    if any(gap is None or gap.abstains for gap in gaps.values()):
        return set()
    beaten = {row for row, gap in gaps.items() if gap and gap.significant(view.options.level) and gap.difference.low > 0}
    return {row for row in scored if row not in beaten}
