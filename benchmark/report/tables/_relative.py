"""Variants of a method in percent of it: what `ablations` and `actions` are."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report import captions
from benchmark.report.cells import interval_cell, score_cell, versus_paper
from benchmark.report.table import DASH, Table, TableCell, TableRow
from benchmark.report.tables._grid import ScoreColumn
from benchmark.results.options import Column, RowId
from benchmark.results.published import TABLES, PaperColumn, labels, main_method, paper_column
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView


def variants(view: ResultsView) -> list[RowId]:
    """Of the chosen method."""
    method = view.options.method or main_method()
    return [row for row in view.rows if row.method == method and row.variant]


def printed_variants(table: str) -> set[str]:
    """Those that a table of the paper shows."""
    return {RowId.parse(name).variant for name in labels(TABLES[table], "row")} - {""}


def relative_table(view: ResultsView, name: str, rows: Sequence[RowId]) -> Table:
    both = view.options.source == "both"
    full = RowId(view.options.method or main_method())
    papers = [paper_column(TABLES[name], Column(env, view.policy)) for env in view.envs]
    lines = []
    for row in [full, *rows]:
        cells: list[TableCell] = []
        for paper in papers:
            quotient = None if row == full else view.ratio(paper.column, row, full)
            cells.append(TableCell("100", 100.0) if row == full else _percent(quotient))
            if both:
                cells += versus_paper(view, paper, row, quotient, scale=100, label=_label(paper, row))
            cells.append(score_cell(view, paper.column, row))
        lines.append(TableRow(f"{full} (full)" if row == full else row.variant, tuple(cells)))
    columns = []
    for paper in papers:
        title = captions.heading(view, paper.column.env)
        percent = ScoreColumn(f"{title.partition(' /')[0]} %", paper)
        columns += [*percent.table_columns(both=both, unit="/percent"), *ScoreColumn(title, paper).table_columns(both=False)]
    lead = f"{name.capitalize()} of {full}, percent of the full method (the intervals carry the error of both) and absolute."
    caption = f"{lead} Policy {view.policy}. {captions.protocol(view, [paper.column for paper in papers])}"
    return Table(name, caption, "Variant", tuple(columns), tuple(lines))


def _percent(quotient: Interval | None) -> TableCell:
    if quotient is None:
        return TableCell(DASH)
    ends = (100 * quotient.estimate, 100 * quotient.low, 100 * quotient.high)
    return interval_cell(Interval(*ends, quotient.covers), digits=0)


def _label(paper: PaperColumn, row: RowId) -> str:
    """The paper's word for an ingredient, whichever method it is an ingredient of."""
    return paper.row_label(RowId(main_method(), row.variant)) if row.variant else str(row)
