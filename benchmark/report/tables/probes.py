"""What a feature keeps: the linear probe of each part of the simulator's state, and the score that the row reaches."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.report.cells import interval_cell, mean_cell, score_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table, TableColumn, TableRow
from benchmark.results.probes import correlation, over_seeds


def table(inputs: TableInputs) -> Table:
    """Held-out R² by part of the state, and whether it goes with the score."""
    view = inputs.view
    column, probed = view.column, over_seeds(view)
    parts = [str(name) for name in next(iter(probed.values()))]
    if not parts:
        raise BenchmarkError(f"no parts of a state were probed for {column.policy} in {column.env}")
    rows = []
    for row in view.rows:
        cells = [mean_cell(probed[row][part], lambda value: f"{value:.2f}") for part in parts]
        rows.append(TableRow(str(row), (*cells, score_cell(view, column, row)), view.kind(row)))
    caption = (
        f"Linear probe of each part of the simulator's state, R² on held-out demonstrations (mean over seeds), and score with "
        f"policy {column.policy}. {captions.protocol(view, [column])}"
    )
    columns = (
        *(TableColumn(f"probe/{part}", part) for part in parts),
        TableColumn("score", captions.heading(view, column.env)),
    )
    remarks = [_correlation(part, index, rows, inputs.options.level) for index, part in enumerate(parts)]
    return Table("probes", caption, "Method", columns, tuple(rows), tuple(filter(None, remarks)))


def _correlation(part: str, index: int, rows: Sequence[TableRow], level: float) -> str:
    """Of a column with the score; the ceiling knows the state, so it would only confirm itself."""
    values = [(row.cells[index].value, row.cells[-1].value) for row in rows if row.kind != "ceiling"]
    pairs = [(probe, score) for probe, score in values if probe is not None and score is not None]
    found = correlation(pairs, level)
    if found is None:
        return ""
    return f"{part}: rank correlation of R² and score {interval_cell(found).text} over {len(pairs)} rows."
