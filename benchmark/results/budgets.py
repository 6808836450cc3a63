"""The same rows after different numbers of frames of pretraining, each number from results of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import count
from benchmark.results.options import RowId
from benchmark.results.view import ResultsView, retrained

ROUNDING = 1.1  # by which budgets of one table differ, as batches of different sizes divide them


def by_budget(views: Sequence[ResultsView]) -> dict[float, ResultsView]:
    """Frames seen -> the results after so many, in rising order. Rows that are not trained have seen none in any of them."""
    if len(views) < 2:
        raise BenchmarkError("budgets compares records of several budgets: give --records once for each")
    budgets: dict[float, ResultsView] = {}
    if len(columns := {view.column: None for view in views}) > 1:
        told = ", ".join(f"{env} with {policy}" for env, policy in columns)
        raise BenchmarkError(f"budgets compares records of one environment and policy, and these are of {told}")
    for view in views:
        cells = view.cells
        here = (cells.env == view.env) & (cells.policy == view.policy) & ~retrained(cells)
        sizes = cells.frames_seen[here & (cells.gradient_steps > 0)]
        if sizes.empty:
            raise BenchmarkError(f"nothing was pretrained for {view.policy} in {view.env}: such records have no budget")
        if sizes.max() > ROUNDING * sizes.min():
            raise BenchmarkError(f"rows of one table were pretrained for {count(sizes.min())} to {count(sizes.max())} frames")
        size = float(sizes.median())
        if size in budgets:
            raise BenchmarkError(f"two of the records were made after {count(size)} frames each: leave one of them out")
        budgets[size] = view
    return dict(sorted(budgets.items()))


def rows_of(budgets: Mapping[float, ResultsView]) -> list[RowId]:
    """All rows, in the order of the largest budget."""
    largest = budgets[max(budgets)]
    return list(dict.fromkeys([*largest.rows, *(row for view in budgets.values() for row in view.rows)]))
