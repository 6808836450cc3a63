"""Numbers as they are read."""

from __future__ import annotations


def number(value: float) -> str:
    """Three digits, thousands apart: `12 300`, `4.57`."""
    if value < 1000:
        return f"{value:.3g}"
    digits = len(str(int(value))) - 3
    return f"{round(value, -digits):,.0f}".replace(",", " ")


def percent(share: float) -> str:
    """`250%`, `12%`, `0.64%`."""
    return f"{share:.0%}" if share >= 0.1 else f"{100 * share:.2g}%"


def milliseconds(seconds: float) -> str:
    return f"{number(1000 * seconds)} ms"
