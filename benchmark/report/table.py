"""What a table is, whoever made it and however it is shown: texts to read, the numbers behind them, and footnotes.

A cell carries its footnotes itself; renderers number them in order of appearance, so equal notes share a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

DASH = "—"

Kind = Literal["ceiling", "row", "floor", "total"]  # privileged upper bound | an ordinary row | untrained lower bound | a sum


@dataclass(frozen=True)
class TableCell:
    """A text, the number and interval it shows (if it shows one), and remarks."""

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()
    strong: bool = False


def estimate_cell(
    value: float,
    low: float,
    high: float,
    *,
    digits: int = 2,
    sign: bool = False,
    notes: tuple[str, ...] = (),
    strong: bool = False,
) -> TableCell:
    """An estimate with its interval: `0.62 [0.48, 0.74]`, or `+0.12 [-0.03, +0.27]` for differences."""

    def one(number: float) -> str:
        return f"{number:{'+' if sign else ''}.{digits}f}" if math.isfinite(number) else "∞"

    return TableCell(f"{one(value)} [{one(low)}, {one(high)}]", value, low, high, notes, strong)


@dataclass(frozen=True)
class TableColumn:
    """`key` heads the column in files, `heading` on the page."""

    key: str
    heading: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class TableRow:
    label: str
    cells: tuple[TableCell, ...]
    kind: Kind = "row"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A name for files and references, a caption that says what the numbers are, columns, rows, and closing remarks."""

    name: str
    caption: str
    stub: str  # heads the row labels
    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ragged = [row.label for row in self.rows if len(row.cells) != len(self.columns)]
        if ragged:
            raise ValueError(f"table {self.name}: rows {', '.join(ragged)} do not have {len(self.columns)} cells")

    @property
    def notes(self) -> list[str]:
        """All footnotes in order of appearance, each once."""
        found = [note for row in self.rows for notes in (row.notes, *(cell.notes for cell in row.cells)) for note in notes]
        return list(dict.fromkeys(found))

    def marks(self, notes: Sequence[str]) -> list[int]:
        """The numbers under which footnotes appear."""
        numbers = self.notes
        return [numbers.index(note) + 1 for note in notes]

    def column(self, key: str) -> dict[str, TableCell]:
        """Row label -> cell of one column."""
        index = [column.key for column in self.columns].index(key)
        return {row.label: row.cells[index] for row in self.rows}
