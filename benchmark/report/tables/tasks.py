"""How often each task of an environment succeeds, methods x tasks."""

from __future__ import annotations

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.report.cells import interval_cell, no_score
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table, TableColumn, TableRow
from benchmark.results.quality import condition


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    column = view.column
    metrics = view.task_metrics(column.env)
    if not metrics:
        raise BenchmarkError(f"{column.env} records no single tasks (no metric/task/... in its episodes)")
    rows = []
    for row in view.rows:
        if view.groups(column, row):
            cells = [interval_cell(view.task_rate(column, row, metric)) for metric in metrics]
            rows.append(TableRow(str(row), tuple(cells), view.kind(row), captions.remarks(condition(view, column, row))))
        else:
            rows.append(TableRow(str(row), (no_score(view, column, row),) * len(metrics), view.kind(row)))
    headings = tuple(TableColumn(metric, metric.removeprefix("metric/task/").replace("_", " ")) for metric in metrics)
    where = f"{captions.heading(view, column.env)}, policy {column.policy}"
    caption = f"Success rate of each task in {where}. {captions.protocol(view, [column], rates=True)}"
    return Table("tasks", caption, "Method", headings, tuple(rows))
