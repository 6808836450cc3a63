"""Temporary files, and whose they are: what a process that was killed in the middle of writing leaves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmark.storage.files import TEMPORARY, entries
from benchmark.storage.processes import Process

DAY = 86400.0  # seconds after which a temporary file of another machine is nobody's: writing one takes seconds


def of_dead_processes(folders: Iterable[Path]) -> Iterator[Path]:
    """Those of this machine."""
    for path in temporary(folders):
        if (owner := _owner(path)) and owner.is_here() and not owner.runs():
            yield path


def of_anybody(folders: Iterable[Path]) -> Iterator[Path]:
    """The same, and what is a day old by the clock of the file system, whoever wrote it."""
    for path in temporary(folders):
        owner = _owner(path)
        if (not owner.runs()) if owner and owner.is_here() else _age(path) > DAY:
            yield path


def temporary(folders: Iterable[Path]) -> Iterator[Path]:
    for path in (path for folder in folders for path in entries(folder)):
        if path.name.startswith(".") and path.name.endswith(TEMPORARY):
            yield path


def _owner(path: Path) -> Process | None:
    return Process.of_token(path.name.removesuffix(TEMPORARY).rpartition(".")[2])


def _age(path: Path) -> float:
    with tempfile.NamedTemporaryFile(dir=path.parent) as now:
        try:
            return Path(now.name).stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:  # its writer has just put it in place
            return 0.0
