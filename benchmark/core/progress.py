"""What a person sees while work goes on: a bar on a terminal, a line now and then in a log file. Results go to stdout only."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

COMMAND = re.compile(r"\b(python3? -m|python3? scripts/|(sudo )?apt(-get)? install|pip install|git (clone|checkout)|hf auth)\b")
LOG_EVERY = 15.0  # seconds between two lines of one task where there is no terminal


def notice(text: str) -> None:
    """One line about something unusual that was put right, from where no reporter is at hand."""
    print(text, file=sys.stderr, flush=True)


def has_command(text: str) -> bool:
    """Whether a reader may want to copy a part of it into a shell."""
    return bool(COMMAND.search(text))


class Task:
    """One piece of work whose progress is shown."""

    def update(self, done: float, total: float, note: str = "") -> None:
        """How far it is. Cheap enough to call every step."""

    def log(self, point: Mapping[str, float]) -> None:
        """A point of a learning curve, with its `step`."""

    def resume(self, seconds: float) -> None:
        """It goes on from what took so long before it was interrupted."""


class Reporter:
    """Says what happens on stderr."""

    def __init__(self, quiet: bool = False):
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.draws = sys.stderr.isatty() and not quiet  # a terminal shows what changes; a log file gets lines

    def say(self, text: str, style: str = "") -> None:
        # a line of a log stays one, however long, and so does one with a command: a line break in it could not be copied
        whole = not self.console.is_terminal or has_command(text)
        self.console.print(text, style=style or None, markup=False, soft_wrap=whole)

    def warn(self, text: str) -> None:
        self.say(text, "yellow")

    @contextmanager
    def task(self, label: str) -> Iterator[Task]:
        """Shows a task while the block runs."""
        if self.draws:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", style="dim"),
            )
            with Progress(*columns, console=self.console, transient=True) as progress:
                yield _Bar(progress, label)
        else:
            yield _Lines(self, label)


class _Bar(Task):
    def __init__(self, progress: Progress, label: str):
        self._progress, self._id = progress, progress.add_task(label, total=None, note="")

    def update(self, done: float, total: float, note: str = "") -> None:
        self._progress.update(self._id, completed=done, total=total, note=note)


class _Lines(Task):
    def __init__(self, reporter: Reporter, label: str):
        self._reporter, self._label = reporter, label
        self._last = time.monotonic()
        self._pace = Pace()

    def update(self, done: float, total: float, note: str = "") -> None:
        now, seconds = time.monotonic(), self._pace.left(done, total)
        if now - self._last < LOG_EVERY:
            return
        self._last = now
        left = f", {duration(seconds)} left" if seconds is not None else ""
        self._reporter.say(f"  {self._label}: {done:g}/{total:g}{left} {note}".rstrip())


class Pace:
    """How fast a task goes since the first news of it."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None  # when that was, and how far it was: not all starts at nothing

    def left(self, done: float, total: float) -> float | None:
        """Seconds until it is done, or None before there are second news."""
        now = time.monotonic()
        since, before = self._first = self._first or (now, done)
        return (now - since) / (done - before) * (total - done) if done > before else None


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def size(n_bytes: float) -> str:
    """`512 B`, `3.4 MB`, `19.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    raise AssertionError


def count(value: float) -> str:
    """`640`, `12.8k`, `11.2M`."""
    for thousands, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= thousands:
            return f"{value / thousands:.3g}{unit}"
    return f"{value:.0f}"
