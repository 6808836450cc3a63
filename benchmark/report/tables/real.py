"""Successes of real robots, tasks x methods with Wilson intervals and totals."""

from __future__ import annotations

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.report.cells import rate_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Kind, Table, TableCell, TableColumn, TableRow
from benchmark.results import published


def table(inputs: TableInputs) -> Table:
    """Of `trials`, as a person enters them in a CSV, or of the paper's. A column robot gives a total per robot."""
    trials = _checked(published.trials() if inputs.trials is None else inputs.trials)
    level, methods = inputs.options.level, list(dict.fromkeys(trials.method))

    def row(label: str, part: pd.DataFrame, kind: Kind) -> TableRow:
        sums = part.groupby("method")[["successes", "trials"]].sum()
        cells = [
            rate_cell(sums.successes[method], sums.trials[method], level) if method in sums.index else TableCell(DASH)
            for method in methods
        ]
        return TableRow(label, tuple(cells), kind)

    rows = []
    robots = trials.robot if "robot" in trials else pd.Series("", index=trials.index)
    for robot, part in trials.groupby(robots, sort=False):
        rows += [row(str(task), of_task, "row") for task, of_task in part.groupby("task", sort=False)]
        rows.append(row(f"{robot} total".strip(), part, "total"))
    caption = (
        f"Real trials: successes, and {100 * level:g} % Wilson interval of the rate. Totals pool tasks; they hold for "
        "this mix of tasks."
    )
    return Table("real", caption, "Task", tuple(TableColumn(method, method) for method in methods), tuple(rows))


def _checked(trials: pd.DataFrame) -> pd.DataFrame:
    """With numbers that can be: a person typed them."""
    absent = [name for name in ("task", "method", "successes", "trials") if name not in trials]
    if absent:
        raise BenchmarkError(f"real trials lack the column {', '.join(absent)}; needed are task, method, successes, trials")
    if trials.empty:
        raise BenchmarkError("there are no real trials: enter a line per task and method")
    counts = trials[["successes", "trials"]].apply(pd.to_numeric, errors="coerce")
    whole = (counts % 1 == 0).all(axis=1)  # not of infinity, and not where there is no number
    wrong = trials[~((counts.successes >= 0) & (counts.successes <= counts.trials) & (counts.trials > 0) & whole)]
    if not wrong.empty:
        line = wrong.iloc[0]
        raise BenchmarkError(
            f"{line.method} on {line.task}: {line.successes or 'no'} successes in {line.trials or 'no'} trials cannot be"
        )
    return trials.assign(successes=counts.successes, trials=counts.trials)
