"""The tables, one file each: `NAME.py` holds `table(inputs: TableInputs) -> Table`. A new file is a new table.

Those of scores show ours, the published numbers, or both with a status. A status compares only what is comparable: the same
policy, demonstrations and budget as in the paper; otherwise it says what differs.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from benchmark.core.errors import BenchmarkError, UnknownName

if TYPE_CHECKING:  # naming the tables, as the help of the command line does, costs no import of what computes them
    from benchmark.report.inputs import TableInputs
    from benchmark.report.table import Table


def names() -> list[str]:
    """What can be built. Importing this package imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def build(name: str, inputs: TableInputs) -> Table:
    """A table by name; with `source=published` as the paper printed it."""
    from benchmark.report.published import published_table

    if name not in names():
        raise UnknownName("table", name, names())
    require_printed(name, inputs.options.source)
    if inputs.options.source == "published":
        return published_table(name)
    table: Table = import_module(f"{__name__}.{name}").table(inputs)
    return table


def require_printed(name: str, source: str) -> None:
    """Published numbers can be shown of what the paper prints."""
    from benchmark.results import published

    if source != "ours" and name not in published.TABLES:
        raise BenchmarkError(f"the paper prints no table '{name}' (but {', '.join(published.TABLES)}): leave --source out")
