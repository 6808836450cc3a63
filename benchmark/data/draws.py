"""Which samples training draws, where some data sets are to be drawn more often than others, and how they are mixed.

Frames lie in one memory-mapped file, where any sample is one read away. So an order is a permutation of sample numbers and no
buffer: every sample can follow every other, whereas a buffer of n samples mixes only what lies n apart in the files (Octo asks
for 500,000 of them), has to be filled before the first step, and cannot be resumed without reading again what went through it.
A number takes 8 bytes where its frame takes 27 kB at 96 x 96 pixels, so the tables of an epoch are a few thousandths of the
data, and a step's batch follows from the seed and the step alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import numpy_rng


@dataclass(frozen=True)
class Shares:
    """How often training draws from each of several data sets."""

    part_of: np.ndarray  # (episodes,) the number of the data set of each episode
    names: tuple[str, ...]
    shares: tuple[float, ...]  # they add up to 1

    def draws(self, episodes: np.ndarray, *path: str | int) -> Draws:
        """Of samples from these episodes; `path` is what the order is seeded by."""
        return Draws(self.part_of[episodes], self.names, self.shares, path)


class Draws:
    """Epochs of as many draws as there are samples, of which each data set has its share.

    A data set's samples come in a row of permutations of its own that goes on from epoch to epoch: none is drawn a second time
    before all others of its data set were drawn once, however small or large the share.
    """

    def __init__(self, part_of: np.ndarray, names: tuple[str, ...], shares: tuple[float, ...], path: tuple[str | int, ...]):
        self._members = [np.flatnonzero(part_of == part) for part in range(len(names))]
        if empty := [name for name, members in zip(names, self._members, strict=True) if not len(members)]:
            raise BenchmarkError(f"{empty[0]} has no sample that is long enough, and is to be drawn from: leave it out")
        self._counts, self._path = _whole(shares, len(part_of)), path

    def epoch(self, number: int) -> np.ndarray:
        """The samples of an epoch in their order."""
        drawn = [self._of(part, number * count, count) for part, count in enumerate(self._counts)]
        return numpy_rng(*self._path, "mixed", number).permutation(np.concatenate(drawn))

    def _of(self, part: int, start: int, count: int) -> np.ndarray:
        """`count` samples of a data set, from place `start` of its own row on."""
        members = self._members[part]
        size = len(members)
        turns = range(start // size, -(-(start + count) // size))
        orders = [members[numpy_rng(*self._path, "data set", part, turn).permutation(size)] for turn in turns]
        row = np.concatenate(orders) if orders else members[:0]
        return row[start - (start // size) * size :][:count]


def _whole(shares: tuple[float, ...], total: int) -> list[int]:
    """Shares of a whole number, rounded so that they add up to it: the largest remainders are rounded up."""
    exact = np.asarray(shares) / sum(shares) * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts.tolist()
