"""How rows are printed."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.core.progress import has_command

WIDEST = 60  # characters; a longer entry moves what follows it
NARROWEST = 6  # of a column that has to make room on a terminal
GAP = "  "


def counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def print_rows(rows: Sequence[Mapping[str, Any]], style: str) -> None:
    """As JSON, or in aligned columns without those that are empty everywhere.

    A terminal's lines fit its width: the widest columns are cut. What holds a command is never cut or folded, it has a line of
    its own below. Files and pipes get everything.
    """
    if style == "json":
        print(json.dumps(rows, indent=1))
        return
    columns = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    room = columns_of_terminal()
    apart = [name for name in columns if room and any(has_command(str(row[name] or "")) for row in rows)]
    columns = [name for name in columns if name not in apart]
    widths = {name: min(WIDEST, max(len(name), *(len(str(row[name] or "")) for row in rows))) for name in columns}
    while room and sum(widths.values()) + len(GAP) * (len(widths) - 1) > room and max(widths.values()) > NARROWEST:
        widths[max(widths, key=lambda name: widths[name])] -= 1
    for row in [{name: name for name in columns}, *rows]:
        cells = [_cut(str(row[name] or ""), widths[name], bool(room)) for name in columns]
        print(GAP.join(cells).rstrip())
        for name in apart:
            if row.get(name):
                print(f"{GAP}{name}: {row[name]}")


def _cut(text: str, width: int, cut: bool) -> str:
    return f"{text[: width - 1]}\u2026" if cut and len(text) > width else text.ljust(width)


def fitting(before: str, label: str, after: str, width: int = 56) -> str:
    """A line whose middle gives way where a terminal is too narrow for all of it."""
    room = columns_of_terminal()
    if room:
        width = max(NARROWEST, min(width, room - len(before) - len(after)))
    return before + _cut(label, width, bool(room)) + after


def columns_of_terminal() -> int | None:
    """None for a file or a pipe: it takes lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
