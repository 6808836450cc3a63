"""What reading somebody else's files may cost, stated once.

Some kilobytes can announce, or unfold to, any number of bytes: a deflated run of zeros grows a thousandfold, run lengths and
strides of zero without limit. So every size that a file declares is checked here before anything is allocated for it, and the
process that reads (`child`) holds itself to the same number of bytes, whatever was declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError

MB, GB = 2**20, 2**30
# Our choice: a small file's reader, with its code and the process that asked, stays below 1 GB; a large one's below a quarter
# of a machine of 24 GB. In between, stored bytes may unfold sixteenfold: JPEGs do about tenfold, H.264 is decoded in pieces.
SMALLEST, LARGEST, UNFOLDING = 384 * MB, 6 * GB, 16
PATIENCE = 60.0  # seconds
PIXELS = 4096 * 4096  # of an image or a frame of a video: twice what a 4K camera gives
SHARE = 2  # an episode may take one part in so many of the memory: what it is made from needs the rest


@dataclass(frozen=True)
class Limits:
    """What a user says of it; None is the default."""

    memory: float | None = None  # GB
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and not 0 < self.memory < 2**20:
            raise BenchmarkError(f"--memory-limit is a number of GB above 0, not {self.memory:g}")
        if self.seconds is not None and not 0 < self.seconds < 10**6:
            raise BenchmarkError(f"--time-limit is a number of seconds above 0, not {self.seconds:g}")

    def budget(self, stored: int) -> Budget:
        """For files that take so many bytes on disk."""
        default = min(max(SMALLEST, UNFOLDING * stored), LARGEST)
        return Budget(default if self.memory is None else int(self.memory * GB), self.seconds or PATIENCE)


@dataclass(frozen=True)
class Budget:
    memory: int = LARGEST  # bytes that may be allocated, the code not counted
    seconds: float = PATIENCE  # without a sign of progress

    @property
    def episode(self) -> int:
        return self.memory // SHARE


@dataclass(frozen=True)
class _Reading:
    budget: Budget = Budget()
    progress: Callable[[], None] = lambda: None


_READING: ContextVar[_Reading] = ContextVar("reading", default=_Reading())  # noqa: B039 - it is frozen


@contextmanager
def spending(budget: Budget, progress: Callable[[], None]) -> Iterator[None]:
    """What is read in here keeps to the budget and calls `progress` whenever it has consumed some input."""
    token = _READING.set(_Reading(budget, progress))
    try:
        yield
    finally:
        _READING.reset(token)


def current() -> Budget:
    return _READING.get().budget


def advanced() -> None:
    """Some input is behind us: a record, a frame, a file."""
    _READING.get().progress()


def allow(size: int, what: str, share: int = 1) -> None:
    """Whether so many bytes may be allocated, as one part in `share` of the memory; `what` begins the complaint."""
    limit = current().memory // share
    if size > limit:
        raise BenchmarkError(
            f"{what} would take {size / MB:,.0f} MB of memory, more than the {limit / MB:,.0f} MB that it may: "
            "refused (--memory-limit GB allows more)"
        )


def allow_pixels(width: int, height: int, what: str) -> None:
    if width * height > PIXELS:
        raise BenchmarkError(f"{what} has {width} x {height} pixels, more than the {PIXELS:,} that one may: refused")
