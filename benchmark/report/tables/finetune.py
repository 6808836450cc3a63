"""From scratch against from published weights (the paper's Table 5)."""

from __future__ import annotations

from benchmark.report.captions import heading
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables._grid import Grid, ScoreColumn, grid_table
from benchmark.results.options import Column, RowId
from benchmark.results.published import TABLES, labels, main_method, paper_column

NUMBER = TABLES["finetune"]


def table(inputs: TableInputs) -> Table:
    """The rows are those of the paper, its method replaced by the chosen one."""
    view = inputs.view
    method = view.options.method or main_method()
    printed = [RowId.parse(name) for name in labels(NUMBER, "row")]
    rows = [RowId(method if row.method == main_method() else row.method, row.variant) for row in printed]
    columns = [ScoreColumn(heading(view, env), paper_column(NUMBER, Column(env, view.policy))) for env in view.envs]
    return grid_table(view, Grid("finetune", f"Fine-tuning with {method}, policy {view.policy}.", rows, columns))
