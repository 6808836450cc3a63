"""How often each task of an environment succeeds, methods x tasks."""

from __future__ import annotations

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.report.cells import interval_cell, no_score
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results.quality import condition
from benchmark.results.view import TASK

NOT_RECORDED = "not recorded for this row"


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    column = view.column
    metrics = view.task_metrics(column.env)
    if not metrics:
        raise BenchmarkError(f"{column.env} records no single tasks (no metric/task/... in its episodes)")
    rows = []
    for row in view.rows:
        if view.groups(column, row):
            rates = [view.task_rate(column, row, metric) for metric in metrics]
            cells = [interval_cell(rate) if rate else TableCell(DASH, notes=(NOT_RECORDED,)) for rate in rates]
            notes = captions.remarks(condition(view, column, row), several=view.several_seeds)
            rows.append(TableRow(str(row), tuple(cells), view.kind(row), notes))
        else:
            rows.append(TableRow(str(row), (no_score(view, column, row),) * len(metrics), view.kind(row)))
    headings = tuple(TableColumn(metric, metric.removeprefix(TASK).replace("_", " ")) for metric in metrics)
    where = f"{captions.heading(view, column.env)}, policy {column.policy}"
    caption = f"Success rate of each task in {where}. {captions.protocol(view, [column], rates=True)}"
    return Table("tasks", caption, "Method", headings, tuple(rows))
