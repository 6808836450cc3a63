"""Methods x policies in one environment (the paper's Table 4, on Push-T)."""

from __future__ import annotations

from benchmark.report.captions import heading
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables._grid import Grid, ScoreColumn, grid_table
from benchmark.results.options import Column
from benchmark.results.published import TABLES, paper_column


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    columns = [
        ScoreColumn(view.policy_title(policy), paper_column(TABLES["policies"], Column(view.env, policy)))
        for policy in view.policies
    ]
    return grid_table(view, Grid("policies", f"Policies in {heading(view, view.env)}.", view.rows, columns))
