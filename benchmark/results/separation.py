"""Whether a column has room for encoders to differ in, and whether its seeds and episodes could show that they do.

A policy that sees the state shows what demonstrations and policy allow. Where it hardly beats networks that nothing trained,
the scores of encoders say little, however many episodes there are. Where it misses the bar that its environment states,
demonstrations or policy want mending, whatever they tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.results.options import Column, RowId
from benchmark.results.quality import Span, in_common, resolution
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView


class RowScore(NamedTuple):
    row: RowId
    interval: Interval


class Spread(NamedTuple):
    """The standard deviation of the mean scores of a row's training seeds; None with one seed."""

    row: RowId
    deviation: float | None


@dataclass(frozen=True)
class Separation:
    """None stands for what was not measured, or not said."""

    maximum: float
    demonstrator: float | None  # mean score of the demonstrations
    target: float | None  # what the ceiling must reach
    ceiling: RowScore | None
    floors: tuple[RowScore, ...]  # all networks that nothing trained
    of_floor: Spread | None
    of_median_row: Spread | None  # of the trained row whose score is in the middle
    episodes: Span | None  # per seed
    seeds: Span | None
    shared: int  # training seeds that any two rows have in common
    detectable: float | None  # minimum detectable difference

    @property
    def reaches(self) -> bool | None:
        """Does the ceiling reach its bar?"""
        if self.ceiling is None or self.target is None:
            return None
        return self.ceiling.interval.estimate >= self.target

    @property
    def not_below(self) -> list[RowId]:
        """The floors above whose interval that of the ceiling does not lie."""
        if self.ceiling is None:
            return []
        return [floor.row for floor in self.floors if floor.interval.high >= self.ceiling.interval.low]

    @property
    def gap(self) -> float | None:
        """Between the ceiling and the highest floor."""
        if self.ceiling is None or not self.floors:
            return None
        return self.ceiling.interval.estimate - max(floor.interval.estimate for floor in self.floors)

    @property
    def resolves(self) -> bool:
        """Is the gap larger than what can be detected?"""
        return self.gap is not None and self.detectable is not None and self.detectable < self.gap

    @property
    def separates(self) -> bool:
        """Whether the ceiling reaches its bar is another question: a head that misses it can still tell encoders apart."""
        return not self.not_below and self.resolves


def separation(view: ResultsView, column: Column) -> Separation:
    floors = _scored(view, column, view.untrained)
    trained = [row for row in view.rows if view.kind(row) != "ceiling" and row not in view.untrained]
    ceilings = _scored(view, column, [row for row in view.rows if view.kind(row) == "ceiling"])
    rows, own = view.all_groups(column), view.cells[view.cells.env == column.env]
    return Separation(
        maximum=view.bounds(column.env)[1],
        demonstrator=_first(own.demonstrator_score),
        target=_first(own.state_target),
        ceiling=ceilings[0] if ceilings else None,
        floors=tuple(floors),
        of_floor=_spread(view, column, floors[0].row) if floors else None,
        of_median_row=_spread_of_median(view, column, trained),
        episodes=Span.of(np.array([len(group) for groups in rows for group in groups])),
        seeds=Span.of(np.array([len(groups) for groups in rows])),
        shared=in_common(view, column)[0],
        detectable=resolution(view, column),
    )


def _scored(view: ResultsView, column: Column, rows: Sequence[RowId]) -> list[RowScore]:
    return [RowScore(row, interval) for row in rows if (interval := view.interval(column, row))]


def _spread_of_median(view: ResultsView, column: Column, rows: Sequence[RowId]) -> Spread | None:
    """The lower of the two in the middle where their number is even."""
    means = {row: float(np.mean(np.concatenate(groups))) for row in rows if (groups := view.groups(column, row))}
    ordered = sorted(means, key=lambda row: means[row])
    return _spread(view, column, ordered[(len(ordered) - 1) // 2]) if ordered else None


def _spread(view: ResultsView, column: Column, row: RowId) -> Spread:
    means = [group.mean() for group in view.groups(column, row)]
    return Spread(row, float(np.std(means, ddof=1)) if len(means) > 1 else None)


def _first(values: pd.Series) -> float | None:
    """What all cells of an environment share."""
    stated = values.dropna()
    return None if stated.empty else float(stated.iloc[0])
