"""What difference between two rows can be found with how many seeds and episodes, from the variances of these results."""

from __future__ import annotations

import numpy as np

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results.power import POWER, Components, episodes_needed
from benchmark.results.quality import smallest_difference, variances

SEEDS = (1, 2, 3, 5, 10)
EPISODES = (20, 50, 100, 200)
NO_VARIANCE = TableCell(DASH, notes=("no score varies: nobody can tell",))
ENOUGH = 5  # seeds; our choice: of two or three the deviation cannot be estimated (docs/statistics.md)
FEW = " Of so few seeds the variance between them is a guess: take what this says of more seeds with care."
ONE_SEED = "needs two seeds: two trained networks are not two methods"


def table(inputs: TableInputs) -> Table:
    difference, level = inputs.options.difference, inputs.options.level
    if difference is not None and not difference > 0:
        raise BenchmarkError(f"--difference must be above zero, not {difference:g}: it is what you want to find")
    view = inputs.view
    column, of_score = view.column, variances(view, view.column)
    if of_score is None:
        raise BenchmarkError("power needs results with at least two episodes of a cell: run it first, or choose other rows")
    gap = of_score.of_difference()
    rows = []
    for seeds in SEEDS:
        sizes = [smallest_difference(of_score, seeds, episodes, level) for episodes in EPISODES]
        cells = [_detectable(size, captions.reach(view, column)) for size in sizes]
        if difference is not None:
            cells.append(NO_VARIANCE if None in sizes else _needed(difference, gap, seeds, level))
        rows.append(TableRow(str(seeds), tuple(cells), notes=(ONE_SEED,) if seeds == 1 else ()))
    columns = [TableColumn(f"episodes_{episodes}", f"{episodes} episodes") for episodes in EPISODES]
    if difference is not None:
        columns.append(TableColumn("episodes_needed", f"episodes for {difference:g}"))
    most = max(len(groups) for groups in view.all_groups(column))
    several = most > 1
    between = (
        f"{of_score.between:.3g}" if several else "unknown (one seed) and taken as 0, so more seeds look better than they are"
    )
    caption = (
        f"{captions.heading(view, column.env)}, policy {column.policy}: minimum detectable difference between two rows "
        f"({100 * POWER:g} % power, level {1 - level:.2g}), episodes per seed. Variance of a score between episodes "
        f"{of_score.within:.3g}, between seeds {between}; averaged over rows, which are taken as independent. Estimated from "
        f"{captions.sample(view, column.env)}{FEW * (several and most < ENOUGH)}"
    )
    return Table("power", caption, "Seeds", tuple(columns), tuple(rows))


def _detectable(size: float | None, reach: float) -> TableCell:
    """Of what one seed tells, which is nothing, the row says so itself."""
    if size is None:
        return NO_VARIANCE
    if not np.isfinite(size):
        return TableCell("∞", size)
    return TableCell(DASH, notes=(captions.BEYOND,)) if size > reach else TableCell(f"{size:.2f}", size)


def _needed(difference: float, gap: Components, seeds: int, level: float) -> TableCell:
    needed = episodes_needed(difference, gap, seeds, level=level)
    if needed is None:
        return TableCell(DASH, notes=("no number of episodes is enough: take more seeds",))
    return TableCell(str(needed), needed)
