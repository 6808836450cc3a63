"""The cells that several tables share, made from numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from benchmark.report import captions
from benchmark.report.table import DASH, TableCell, TableRow, estimate_cell
from benchmark.results import published, statistics
from benchmark.results.options import Column, RowId
from benchmark.results.published import PaperColumn
from benchmark.results.quality import condition
from benchmark.results.statistics import Comparison, Interval
from benchmark.results.versus_paper import agreement, differences
from benchmark.results.view import ResultsView


def interval_cell(interval: Interval, *, digits: int = 2, sign: bool = False) -> TableCell:
    return estimate_cell(interval.estimate, interval.low, interval.high, digits=digits, sign=sign)


def score_cell(
    view: ResultsView, column: Column, row: RowId, *, strong: bool = False, several: bool | None = None
) -> TableCell:
    """The score of a row with its interval and footnotes, or a dash that says why. `several`: the table has rows of more than
    one training seed; by default, whether these results do."""
    interval = view.interval(column, row)
    if interval is None:
        return no_score(view, column, row)
    notes = captions.remarks(condition(view, column, row), several=view.several_seeds if several is None else several)
    return estimate_cell(interval.estimate, interval.low, interval.high, notes=notes, strong=strong)


def no_score(view: ResultsView, column: Column, row: RowId) -> TableCell:
    """The cell of a row without scores."""
    notes = captions.remarks(condition(view, column, row))
    return TableCell(DASH, notes=notes or (f"{view.options.metric} is not recorded here",))


def comparison_cells(gap: Comparison | None, p: float, reference: RowId) -> list[TableCell]:
    """The difference to another row and its p-value, or why there is none."""
    if gap is None:
        return [TableCell(DASH, notes=(f"no episode in common with {reference}",)), TableCell(DASH)]
    told = TableCell(DASH, notes=(gap.abstains,)) if gap.abstains else TableCell("<0.001" if p < 0.001 else f"{p:.3f}", p)
    return [interval_cell(gap.difference, sign=True), told]


def mean_cell(values: pd.Series, text: Callable[[float], str]) -> TableCell:
    """The mean over seeds; in files with the range over seeds."""
    values = values.dropna()
    if values.empty:
        return TableCell(DASH)
    mean = float(values.mean())
    return TableCell(text(mean), mean, float(values.min()), float(values.max()))


def rate_cell(successes: float, trials: float, level: float) -> TableCell:
    """`21/30 [0.52, 0.83]`, with Wilson's interval."""
    rate = statistics.wilson(successes, trials, level)
    return TableCell(f"{successes:g}/{trials:g} [{rate.low:.2f}, {rate.high:.2f}]", rate.estimate, rate.low, rate.high)


def versus_paper(
    view: ResultsView, paper: PaperColumn, row: RowId, interval: Interval | None, scale: float = 1, label: str = ""
) -> list[TableCell]:
    """The published number, of the row that the paper calls `label`, and what to think of ours."""
    entry = paper.entry(label or paper.row_label(row))
    if entry is None or entry.value is None:
        return [TableCell(DASH), TableCell(DASH)]
    if interval is None:
        status = TableCell(DASH)
    elif why := differences(view, paper, row, entry):
        status = TableCell("not comparable", notes=(captions.not_comparable(why),))
    else:
        status = TableCell(agreement(interval, entry, scale), notes=(captions.error_unknown(entry),))
    return [TableCell(entry.text, entry.value), status]


def rows_of_the_paper(columns: Sequence[PaperColumn], rows: Sequence[RowId], extra: int) -> list[TableRow]:
    """Rows of the paper that ours lack, with `extra` empty cells at the end."""
    absent = TableCell(DASH, notes=(captions.NOT_PLANNED,))
    lines = {}
    for table in dict.fromkeys(column.table for column in columns if column.label):
        ours = {published.same(column.row_label(row)) for column in columns for row in rows if column.table == table}
        for label in published.rows(table):
            if published.same(label) not in ours:
                cells = []
                for column in columns:
                    entry = column.entry(label)
                    printed = TableCell(entry.text, entry.value) if entry and entry.text else TableCell(DASH)
                    cells += [absent, printed, TableCell(DASH)]
                lines[label] = TableRow(label, (*cells, *[TableCell(DASH)] * extra))
    return list(lines.values())
