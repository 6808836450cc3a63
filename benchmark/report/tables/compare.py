"""Every row against one of them, on the episodes that both faced."""

from __future__ import annotations

import numpy as np

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report import captions
from benchmark.report.cells import comparison_cells, interval_cell, score_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results import statistics
from benchmark.results.options import RowId
from benchmark.results.view import ResultsView


def table(inputs: TableInputs) -> Table:
    view, options = inputs.view, inputs.options
    column, reference = view.column, _reference(inputs.view)
    gaps = {row: gap for row in view.rows if row != reference and (gap := view.compare(column, row, reference))}
    p = [gap.p for gap in gaps.values()]
    corrected = dict(zip(gaps, statistics.holm(p) if options.holm else p, strict=True))
    ranks = view.ranks(column)
    rows = []
    for row in view.rows:
        cells = [score_cell(view, column, row), *[TableCell(DASH)] * 4]
        if row in ranks:
            cells[4] = interval_cell(ranks[row], digits=0)
        if row in ranks and row != reference:
            cells[1:3] = comparison_cells(gaps.get(row), corrected.get(row, np.nan), reference)
        if row in gaps:
            cells[3] = interval_cell(view.improvement(column, row, reference))
        rows.append(TableRow(str(row), tuple(cells), view.kind(row)))
    columns = (
        TableColumn("score", captions.heading(view, column.env)),
        TableColumn("difference", f"minus {reference}"),
        TableColumn("p", "p (Holm)" if options.holm else "p"),
        TableColumn("improvement", f"better than {reference}"),
        TableColumn("rank", "Rank"),
    )
    correction = (
        f"corrected for {np.count_nonzero(~np.isnan(p))} comparisons" if options.holm else "not corrected for their number"
    )
    caption = (
        f"Paired comparison with {reference} on common seeds and episodes, policy {column.policy}: difference, two-sided "
        f"p-value ({correction}), probability of doing better on an episode (ties count half), rank by the mean. "
        f"{captions.protocol(view, [column])}"
    )
    remarks = tuple(filter(None, [captions.agreement(view, column)]))
    return Table("compare", caption, "Method", columns, tuple(rows), remarks)


def _reference(view: ResultsView) -> RowId:
    """What is compared with: the chosen row, or the floor."""
    reference = RowId.parse(view.options.reference) if view.options.reference else view.floor
    if reference is None:
        raise BenchmarkError("these results have no untrained row to compare with: name another with --reference")
    scored = [row for row in view.rows if view.groups(view.column, row)]
    if reference not in scored:
        raise UnknownName("method with results", str(reference), [str(row) for row in scored])
    return reference
