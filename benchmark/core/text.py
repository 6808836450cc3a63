"""Text that strangers wrote, before a terminal, a figure or a page shows it."""

from __future__ import annotations

import unicodedata
from typing import Any

LINES = ("Zl", "Zp")  # Unicode's categories of separators of lines and paragraphs; those that begin with C are controls


def printable(text: str) -> str:
    """As one line: no escape sequence of a terminal, no change of direction, no half of a surrogate pair."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c in "\t\r\n" else "\N{REPLACEMENT CHARACTER}" if _controls(c) else c for c in text)


def printable_lines(text: str) -> str:
    """The same for several lines."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(value: Any) -> Any:
    """All texts in what JSON holds, names too."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): printable_json(item) for key, item in value.items()}
    return [printable_json(item) for item in value] if isinstance(value, list) else value


def _controls(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in LINES
