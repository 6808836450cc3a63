"""Our numbers and the published ones: whether they agree, and where the two cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.results import published, statistics
from benchmark.results.options import RowId
from benchmark.results.published import Entry, PaperColumn
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView


@dataclass(frozen=True)
class Differences:
    """What keeps our column from being comparable: what we have and what was published; None where both are the same."""

    policy: tuple[str, str] | None = None
    demonstrations: tuple[Sequence[str], str] | None = None
    recipe: Sequence[str] = ()  # departures from the paper's, each as `setting=value (paper: value)`
    other_metric: bool = False

    def __bool__(self) -> bool:
        return self != Differences()


@dataclass(frozen=True)
class Order:
    """The rank correlation with a published column; None over too few rows."""

    correlation: Interval | None
    rows: int


def agreement(interval: Interval, entry: Entry, scale: float = 1) -> Literal["agrees", "above", "below"]:
    """Where our interval lies with respect to the published number."""
    assert entry.value is not None, "a dash agrees with nothing"
    low, high = scale * interval.low, scale * interval.high
    return "agrees" if low <= entry.value <= high else "above" if low > entry.value else "below"


def differences(view: ResultsView, paper: PaperColumn, row: RowId, entry: Entry) -> Differences:
    """Why a row of ours cannot be held against the published number."""
    policy = paper.column.policy
    cells = view.cell_rows(paper.column, row)
    published_policy = published.fixed(paper.table, "policy") or policy
    demonstrations = list(dict.fromkeys(cells.demonstrations))
    recipe = tuple(dict.fromkeys(text for texts in cells.departures for text in texts.split("; ") if text))
    return Differences(
        policy=(policy, published_policy) if policy != published_policy else None,
        demonstrations=(demonstrations, entry.demonstrations) if demonstrations != [entry.demonstrations] else None,
        recipe=recipe,
        other_metric=view.options.metric != "score" or view.options.statistic != "mean",
    )


def order(view: ResultsView, paper: PaperColumn, rows: Sequence[RowId]) -> Order:
    """Do ours rank the methods as the paper does?"""
    pairs = []
    for row in rows:
        entry, groups = paper.entry(paper.row_label(row)), view.groups(paper.column, row)
        if groups and entry is not None and entry.value is not None:
            pairs.append((float(np.mean(np.concatenate(groups))), entry.value))
    if len(pairs) < 3:
        return Order(None, len(pairs))
    ours, theirs = zip(*pairs, strict=True)
    return Order(statistics.rank_correlation(ours, theirs, view.options.level), len(pairs))
