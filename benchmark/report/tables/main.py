"""Methods x environments under one policy (the paper's Table 1), with what each row cost."""

from __future__ import annotations

from benchmark.report.captions import heading
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table, TableColumn
from benchmark.report.tables._grid import Grid, ScoreColumn, grid_table
from benchmark.results.options import Column
from benchmark.results.published import TABLES, paper_column

COSTS = (TableColumn("frames_seen", "Frames seen"), TableColumn("wall_seconds", "Wall time per seed"))


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    columns = [ScoreColumn(heading(view, env), paper_column(TABLES["main"], Column(env, view.policy))) for env in view.envs]
    return grid_table(view, Grid("main", f"Policy {view.policy}.", view.rows, columns, COSTS))
