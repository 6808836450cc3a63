"""Where everything is kept that a command or a call does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "BENCHMARK_HOME"


def home_of(path: str | Path | None = None) -> Path:
    """The store that is named, or the one that the environment names, or runs/."""
    return Path(path or os.environ.get(VARIABLE, "runs"))


@contextmanager
def at_home(path: str | Path | None) -> Iterator[None]:
    """Within, this store is the home of all that is done: recordings are looked up there, too. None: as it was."""
    before = os.environ.get(VARIABLE)
    if path is not None:
        os.environ[VARIABLE] = str(path)
    try:
        yield
    finally:
        if path is not None:
            os.environ.pop(VARIABLE)
            os.environ |= {} if before is None else {VARIABLE: before}
