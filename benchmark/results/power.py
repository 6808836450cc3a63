"""How many episodes and seeds resolve a given difference, and what difference a given number can resolve.

Two rows are compared by the mean of their paired differences. It varies with the training seed and, within a seed, with the
episode; `statistics.compare` asks for a t test over the seeds' means, one degree of freedom less than there are seeds, and for
one over episodes. With one seed it abstains, and no difference between methods can be found. docs/statistics.md simulates what
is promised here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from benchmark.results.statistics import LEVEL, Groups

POWER = 0.8
MAX_EPISODES = 100_000


@dataclass(frozen=True)
class Components:
    """Variance of a score (or of a paired difference) between training seeds, and between the episodes of one seed."""

    between: float
    within: float

    def of_difference(self) -> Components:
        """Of the difference of two independent rows; pairing can only help."""
        return Components(2 * self.between, 2 * self.within)

    def of_mean(self, seeds: int, episodes: int) -> float:
        """The variance of the mean over that many seeds with that many episodes each."""
        return (self.between + self.within / episodes) / seeds


def components(rows: Sequence[Groups]) -> Components:
    """Averaged over rows by one-way analysis of variance. Seeds count nothing where no row has two of them."""
    within = [np.mean(own) for row in rows if (own := [np.var(group, ddof=1) for group in row if len(group) > 1])]
    between = [
        float(np.var([np.mean(group) for group in row], ddof=1) - np.mean([np.var(g, ddof=1) / len(g) for g in row]))
        for row in rows
        if len(row) > 1 and min(map(len, row)) > 1
    ]
    if not within:
        raise ValueError("a variance needs at least two episodes of one seed")
    return Components(max(0.0, float(np.mean(between))) if between else 0.0, float(np.mean(within)))


def power(difference: float, of: Components, seeds: int, episodes: int, level: float = LEVEL) -> float:
    """The chance that a true difference is found. `of` are the components of the difference."""
    if seeds < 2:
        return 0.0
    error = np.sqrt(of.of_mean(seeds, episodes))
    if error == 0:
        return float(difference != 0)
    critical = special.stdtrit(seeds - 1, (1 + level) / 2) * _spread(seeds - 1)
    if episodes > 1:
        within = np.sqrt(of.within / (episodes * seeds))
        critical = np.maximum(critical, special.stdtrit(seeds * (episodes - 1), (1 + level) / 2) * within / error)
    shift = abs(difference) / error
    return float(np.mean(special.ndtr(shift - critical) + special.ndtr(-critical - shift)))


@cache
def _spread(freedom: int) -> np.ndarray:
    """Quantiles of the estimated over the true deviation. Averaging over them gives the noncentral t distribution, for which
    scipy's own fails at one degree of freedom."""
    return np.sqrt(2 * special.gammaincinv(freedom / 2, (np.arange(2000) + 0.5) / 2000) / freedom)


def detectable(of: Components, seeds: int, episodes: int, chance: float = POWER, level: float = LEVEL) -> float:
    """The smallest difference found with that chance; infinite where nothing can be."""
    if seeds < 2:
        return float("inf")
    unit = float(np.sqrt(of.of_mean(seeds, episodes)))
    if unit == 0:
        return 0.0
    small, large = 0.0, 1000.0  # in units; scipy.optimize would take longer to import than this does
    for _ in range(50):
        middle = (small + large) / 2
        small, large = (small, middle) if power(middle * unit, of, seeds, episodes, level) >= chance else (middle, large)
    return large * unit if power(large * unit, of, seeds, episodes, level) >= chance else float("inf")


def episodes_needed(difference: float, of: Components, seeds: int, chance: float = POWER, level: float = LEVEL) -> int | None:
    """The fewest episodes per seed that find the difference with that chance; None where no number does: more seeds then."""
    if power(difference, of, seeds, MAX_EPISODES, level) < chance:
        return None
    few, enough = 1, MAX_EPISODES
    while few < enough:
        middle = (few + enough) // 2
        few, enough = (few, middle) if power(difference, of, seeds, middle, level) >= chance else (middle + 1, enough)
    return enough
