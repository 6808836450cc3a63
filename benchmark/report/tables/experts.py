"""What the scripted demonstrators reach: per environment, and per task where an episode asks for one."""

from __future__ import annotations

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.report.cells import rate_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Kind, Table, TableCell, TableColumn, TableRow


def table(inputs: TableInputs) -> Table:
    """Of `episodes` with the columns env (a title), metric, target, task, steps and score, one line per seed."""
    if inputs.episodes is None:
        raise BenchmarkError("experts is made from episodes of scripted demonstrators: scripts/measure_experts.py")
    level = inputs.options.level

    def row(label: str, part: pd.DataFrame, kind: Kind) -> TableRow:
        reached = rate_cell((part.score >= part.target).sum(), len(part), level)
        scores, steps = part.score, part.steps.mean()
        spread = TableCell(f"{scores.mean():.2f} / {scores.min():.2f}", scores.mean())
        return TableRow(label, (reached, spread, TableCell(f"{steps:.0f}", steps)), kind)

    rows = []
    for env, part in inputs.episodes.groupby("env"):
        rows.append(row(f"{env}: {part.metric.iloc[0]} at least {part.target.iloc[0]:g}", part, "total"))
        rows += [row(str(task).replace("_", " "), of_task, "row") for task, of_task in part.groupby("task")]
    columns = (
        TableColumn("reached", "Seeds that reach it"),
        TableColumn("score", "Mean / lowest score"),
        TableColumn("steps", "Mean steps"),
    )
    caption = "Scripted demonstrators, with their own noise, on seeds used nowhere else; 95 % Wilson intervals."
    return Table("experts", caption, "Environment", columns, tuple(rows))
