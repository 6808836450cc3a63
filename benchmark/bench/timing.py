"""Rates by the clock: the median of repetitions, in which the works to be compared take turns.

Turns, because a machine gets slower while it is busy with something else or hot: that then hits all works alike. Every other
round goes backwards, so that none always follows the same one.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

MOST = 100_000  # calls in a repetition: a work of a few nanoseconds does not count for ever


@dataclass(frozen=True)
class Rate:
    per_second: float
    spread: float  # slowest minus fastest repetition, as a fraction of the median

    @property
    def seconds(self) -> float:
        """Of one unit."""
        return 1 / self.per_second

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Rate:
        """Of repetitions, each of which took so many seconds for one unit."""
        middle = statistics.median(seconds)
        return cls(1 / middle, (max(seconds) - min(seconds)) / middle)


@dataclass(frozen=True)
class Timer:
    seconds: float  # that a repetition lasts, about; one call at least
    repetitions: int
    wait: Callable[[], None] = lambda: None  # until the device has done what it was told
    clock: Callable[[], float] = time.perf_counter

    def rates(self, works: Mapping[str, Callable[[], object]], warm: bool = True) -> dict[str, Rate]:
        """Calls per second of each work. `warm`: it has been called before, and is called as often as fills a repetition."""
        counts = {name: self._count(work) if warm else 1 for name, work in works.items()}
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for repetition in range(self.repetitions):
            names = list(works)
            for name in names if repetition % 2 == 0 else names[::-1]:
                seconds[name].append(self._seconds(works[name], counts[name]))
        return {name: Rate.of(values) for name, values in seconds.items()}

    def _count(self, work: Callable[[], object]) -> int:
        """Calls that fill a repetition, by the second call: the first allocates and chooses kernels."""
        took = self._seconds(work, 1)
        if took < self.seconds:
            took = self._seconds(work, 1)
        return max(1, min(MOST, round(self.seconds / max(took, 1e-9))))

    def _seconds(self, work: Callable[[], object], count: int) -> float:
        """Of one call."""
        self.wait()
        start = self.clock()
        for _ in range(count):
            work()
        self.wait()
        return max(self.clock() - start, 1e-9) / count


class Others:
    """What processes that are not of this run take of the processors: they make everything slower that is measured."""

    def __init__(self) -> None:
        self._since = _seconds_used()

    @property
    def share(self) -> float:
        """Since it was made, without what has not ended yet of this process's own children."""
        (total, idle, own), (total_before, idle_before, own_before) = _seconds_used(), self._since
        passed = total - total_before
        return max(0.0, passed - (idle - idle_before) - (own - own_before)) / max(passed, 1e-9)


def _seconds_used() -> tuple[float, float, float]:
    """Of all processors together, of them idle, and by this process and those of its children that have ended."""
    times = psutil.cpu_times()
    return sum(times), times.idle + getattr(times, "iowait", 0.0), sum(os.times()[:4])
