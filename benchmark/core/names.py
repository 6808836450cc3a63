"""How components and rows are named: `dynamo`, `dynamo:no_forward`; a hyphen is as good as an underscore."""

from __future__ import annotations


def plain(name: str) -> str:
    return name.replace("-", "_")


def row_label(method: str, variant: str) -> str:
    return f"{method}:{variant}" if variant else method


def parse_row(label: str) -> tuple[str, str]:
    """(method, variant) of a row as a reader writes it."""
    method, _, variant = plain(label).partition(":")
    return method, variant
