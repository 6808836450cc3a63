"""How rows are printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

WIDEST = 60  # characters; a longer entry moves what follows it


def print_rows(rows: Sequence[Mapping[str, Any]], style: str) -> None:
    """As JSON, or in aligned columns without those that are empty everywhere."""
    if style == "json":
        print(json.dumps(rows, indent=1))
        return
    columns = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    widths = {name: min(WIDEST, max(len(name), *(len(str(row[name] or "")) for row in rows))) for name in columns}
    for row in [{name: name for name in columns}, *rows]:
        print("  ".join(str(row[name] or "").ljust(widths[name]) for name in columns).rstrip())
