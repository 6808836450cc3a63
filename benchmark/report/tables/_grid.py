"""Rows x columns of scores, alone or with the published numbers: what `main`, `policies` and `finetune` are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.core.progress import count, duration
from benchmark.report import captions
from benchmark.report.cells import rows_of_the_paper, score_cell, versus_paper
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results.options import RowId
from benchmark.results.published import PaperColumn
from benchmark.results.quality import best
from benchmark.results.versus_paper import order
from benchmark.results.view import ResultsView


@dataclass(frozen=True)
class ScoreColumn:
    """A column of scores and where the paper prints the same."""

    heading: str
    paper: PaperColumn

    def table_columns(self, *, both: bool, unit: str = "") -> list[TableColumn]:
        key = "/".join(self.paper.column) + unit
        published = [TableColumn(f"{key}/published", "published"), TableColumn(f"{key}/status", "status", "left")]
        return [TableColumn(key, self.heading), *(published if both else [])]


@dataclass(frozen=True)
class Grid:
    name: str
    lead: str  # begins the caption
    rows: Sequence[RowId]
    columns: Sequence[ScoreColumn]
    costs: Sequence[TableColumn] = ()


def grid_table(view: ResultsView, grid: Grid) -> Table:
    both = view.options.source == "both"
    papers = [column.paper for column in grid.columns]
    strong = {paper.column: best(view, paper.column, grid.rows) for paper in papers}
    rows = []
    for row in grid.rows:
        cells: list[TableCell] = []
        for paper in papers:
            cells.append(score_cell(view, paper.column, row, strong=row in strong[paper.column]))
            if both:
                cells += versus_paper(view, paper, row, view.interval(paper.column, row))
        cells += [_cost(view, papers, row, cost.key) for cost in grid.costs]
        rows.append(TableRow(str(row), tuple(cells), view.kind(row)))
    remarks = [captions.agreement(view, paper.column) for paper in papers]
    if both:
        rows += rows_of_the_paper(papers, grid.rows, len(grid.costs))
        orders = [captions.order(column.heading, order(view, column.paper, grid.rows)) for column in grid.columns]
        remarks = [*orders, *remarks]
    remarks += [captions.BEST] * any(strong.values())
    remarks.append(captions.networks(view, [paper.column for paper in papers], grid.rows))
    caption = f"{grid.lead} {captions.protocol(view, [paper.column for paper in papers])}"
    columns = [one for column in grid.columns for one in column.table_columns(both=both)]
    return Table(grid.name, caption, "Method", (*columns, *grid.costs), tuple(rows), tuple(filter(None, remarks)))


def _cost(view: ResultsView, papers: Sequence[PaperColumn], row: RowId, name: str) -> TableCell:
    """Frames seen (their range over columns), or the wall time of one seed over all columns."""
    means = [view.done(paper.column, row)[name].mean() for paper in papers]
    values = [float(mean) for mean in means if pd.notna(mean)]
    if not values:
        return TableCell(DASH)
    if name == "wall_seconds":
        return TableCell(duration(sum(values)), sum(values))
    low, high = min(values), max(values)
    return TableCell(" to ".join(dict.fromkeys([count(low), count(high)])), high, low, high)
