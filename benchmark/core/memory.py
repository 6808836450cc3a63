"""How much memory a piece of work takes, with all processes that it starts."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import psutil

INTERVAL = 0.5  # seconds between two looks; a millisecond for a handful of processes
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class MemoryWatch:
    """The peak of what is resident, in bytes, while it is entered: of this process and its descendants.

    Simulator processes are looked at from time to time. Of this process Linux keeps the peak itself, so that a short one counts
    too. Pages of mapped files are resident: frames that were looked at, and libraries, once in every process.
    """

    def __init__(self, interval: float = INTERVAL):
        self.before = self.peak = 0
        self._interval, self._over = interval, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self.before = self.peak = _resident()
        self._own = _reset_peak()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if self._own:
            self.peak = max(self.peak, _peak())

    def _look(self) -> None:
        while not self._over.wait(self._interval):
            self.peak = max(self.peak, _resident())


def _resident() -> int:
    own = psutil.Process()
    total = own.memory_info().rss
    for child in own.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:
            continue  # it has just ended
    return total


def _reset_peak() -> bool:
    """Begin a new peak of this process, where the system can."""
    try:
        RESET.write_text("5")
    except OSError:
        return False
    return STATUS.is_file()


def _peak() -> int:
    text = STATUS.read_text(errors="replace")  # the name of a process is cut after 15 bytes, in the middle of a letter perhaps
    line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])
