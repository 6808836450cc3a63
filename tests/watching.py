"""A look at a store on which other processes work."""

from __future__ import annotations

from pathlib import Path


def seen(home: Path, pattern: str) -> list[Path]:
    """What is there of a pattern; nothing if a folder goes during the look, where `Path.glob` raises. Look again."""
    try:
        return sorted(home.glob(pattern))
    except FileNotFoundError:
        return []
