"""What more pretraining buys: linear probe and score of each row over pretraining budgets."""

from __future__ import annotations

from benchmark.core.progress import count
from benchmark.report import captions
from benchmark.report.cells import mean_cell, score_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table, TableColumn, TableRow
from benchmark.results.budgets import by_budget, rows_of


def table(inputs: TableInputs) -> Table:
    budgets = by_budget(inputs.views)
    largest = budgets[max(budgets)]
    column = largest.column
    several = any(view.several_seeds for view in budgets.values())
    rows = []
    for row in rows_of(budgets):
        probes = [mean_cell(view.done(column, row).probe_linear, lambda value: f"{value:.2f}") for view in budgets.values()]
        scores = [score_cell(view, column, row, several=several) for view in budgets.values()]
        rows.append(TableRow(str(row), (*probes, *scores), largest.kind(row)))
    columns = [TableColumn(f"probe/{size:.0f}", f"Probe R², {count(size)}") for size in budgets]
    columns += [TableColumn(f"score/{size:.0f}", f"Score, {count(size)}") for size in budgets]
    sizes = ", ".join(map(count, budgets))
    samples = {size: captions.sample(view, column.env) for size, view in budgets.items()}
    others = [f"At {count(size)} frames: {text}" for size, text in samples.items() if text != samples[max(samples)]]
    caption = (
        f"{captions.heading(largest, column.env)} after {sizes} frames of pretraining: held-out linear probe of the simulator "
        f"state (mean over seeds) and score with policy {column.policy}. "
        f"At {count(max(budgets))} frames: {captions.protocol(largest, [column])}"
    )
    return Table("budgets", " ".join([caption, *others]), "Method", tuple(columns), tuple(rows))
