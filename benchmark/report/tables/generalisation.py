"""Things that demonstrations showed against things that they did not: both scores, the gap, and a comparison on the latter."""

from __future__ import annotations

import numpy as np

from benchmark.report import captions
from benchmark.report.cells import comparison_cells, interval_cell, score_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results import statistics
from benchmark.results.generalisation import Halves, halves
from benchmark.results.options import Column, RowId


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    column, of, floor = view.column, halves(inputs.view), view.floor
    gaps = {row: gap for row in view.rows if floor and row != floor and (gap := of.unseen.compare(column, row, floor))}
    p = dict(zip(gaps, statistics.holm([gap.p for gap in gaps.values()]), strict=True))
    rows = []
    for row in view.rows:
        cells = [score_cell(of.seen, column, row), score_cell(of.unseen, column, row), _gap(of, column, row)]
        if floor and row != floor and of.unseen.groups(column, row):
            cells += comparison_cells(gaps.get(row), p.get(row, np.nan), floor)
        else:
            cells += [TableCell(DASH)] * 2
        rows.append(TableRow(str(row), tuple(cells), view.kind(row)))
    columns = (
        TableColumn("seen", "Seen"),
        TableColumn("unseen", "Held out"),
        TableColumn("gap", "Held out minus seen"),
        TableColumn("difference", f"Held out, minus {floor}" if floor else "Held out, minus the floor"),
        TableColumn("p", "p (Holm)"),
    )
    crashed = f" {of.unknown} crashed episodes, of which this is not known, are left out." if of.unknown else ""
    caption = (
        f"{captions.heading(view, column.env)}, policy {column.policy}: evaluation episodes with what demonstrations showed "
        "and with things held out. The interval of the gap takes both kinds of episodes as independent; the comparison "
        f"with the floor is paired, on held-out episodes.{crashed} {captions.protocol(view, [column])}"
    )
    return Table("generalisation", caption, "Method", columns, tuple(rows))


def _gap(of: Halves, column: Column, row: RowId) -> TableCell:
    gap = of.gap(column, row)
    return TableCell(DASH) if gap is None else interval_cell(gap, sign=True)
