"""A look at a store on which other processes work, and at these."""

from __future__ import annotations

from pathlib import Path

import psutil


def seen(home: Path, pattern: str) -> list[Path]:
    """What is there of a pattern; nothing if a folder goes during the look, where `Path.glob` raises. Look again."""
    try:
        return sorted(home.glob(pattern))
    except FileNotFoundError:
        return []


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it went between the two
        return False
