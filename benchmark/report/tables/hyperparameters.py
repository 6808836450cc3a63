"""Settings: fields x columns (methods, environments or policies); a dash where a column has no such field."""

from __future__ import annotations

from typing import Any

from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow


def table(inputs: TableInputs) -> Table:
    settings = inputs.settings
    fields = dict.fromkeys(name for values in settings.values() for name in values)
    rows = []
    for name in fields:
        cells = [_setting(values[name]) if name in values else TableCell(DASH) for values in settings.values()]
        rows.append(TableRow(name, tuple(cells)))
    columns = tuple(TableColumn(name, name) for name in settings)
    return Table("hyperparameters", f"Settings of the preset {inputs.preset}.", "Setting", columns, tuple(rows))


def _setting(value: Any) -> TableCell:
    if isinstance(value, bool) or value is None:
        return TableCell({True: "yes", False: "no", None: "none"}[value])
    if isinstance(value, int | float):
        return TableCell(f"{value:g}" if isinstance(value, float) else str(value), float(value))
    if isinstance(value, list | tuple):
        return TableCell(", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value))
    return TableCell(str(value))
