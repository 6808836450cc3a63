"""The interval of a mean of bounded scores over seeds and episodes, in closed form or by quadrature: no resampling.

A score between 0 and 1 with mean m varies at most as a coin does, by m(1 - m). `dispersion` is the share of that variance
that episodes show, so n episodes are worth n / dispersion coin tosses: exactly n where scores are 0 or 1. It is measured
on the same episodes, so tails are cut at Student's quantiles. The successes of a seed are then beta-binomial: each trained
network has its own mean, from a beta distribution around the mean of all networks.

Two or three seeds say next to nothing about how much networks differ, and where scores are rare most seeds show no success at
all. So that is not estimated but averaged over, with a prior: the deviation between seeds is half-normal, in units of the
deviation between episodes, with scale SPREAD. Half of that prior lies below an intraclass correlation of 0.14, 90 % below 0.49;
retrained policies show 0.05 to 0.2. The mean has Jeffreys' prior. What this covers is simulated: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

SPREAD = 0.6  # scale of the prior on the deviation between seeds, in deviations between episodes
MEANS, SPREADS = 100, 16  # nodes of the quadrature
FURTHEST = 4 * SPREAD
NEGLIGIBLE = 1e-5  # of the highest density
FEWEST = 0.25  # variance added to what is seen and to what is possible: one episode that varies as much as any can


def mean_bounds(groups: Sequence[np.ndarray], level: float) -> tuple[float, float]:
    """The central interval of the mean of scores between 0 and 1: of the population of trained networks, or with one group
    of that network alone."""
    share = np.array([np.mean(group) for group in groups])
    trials = np.array([len(group) for group in groups]) / dispersion(groups)
    freedom = max(1, sum(map(len, groups)) - len(groups))
    tail = float(special.ndtr(special.stdtrit(freedom, (1 - level) / 2)))  # of the normal distribution, at Student's quantile
    tails = np.array([tail, 1 - tail])
    if len(groups) == 1:
        low, high = special.betaincinv(0.5 + share[0] * trials[0], 0.5 + (1 - share[0]) * trials[0], tails)
    else:
        low, high = _quantiles(share * trials, (1 - share) * trials, dispersion(groups), tails)
    return float(low), float(high)


def dispersion(groups: Sequence[np.ndarray]) -> float:
    """Variance within seeds over that of coins with the same means, in (0, 1]; 1 where nothing has varied yet."""
    shown = sum(float(np.sum((group - np.mean(group)) ** 2)) for group in groups)
    possible = sum(len(group) * float(np.mean(group)) * (1 - float(np.mean(group))) for group in groups)
    return min(1.0, (shown + FEWEST) / (possible + FEWEST))


def _quantiles(hits: np.ndarray, misses: np.ndarray, dispersion: float, tails: np.ndarray) -> np.ndarray:
    """Of the mean's posterior. Means are spaced evenly in arcsin(sqrt(mean)), where Jeffreys' prior is flat; a second pass
    looks only where the first has found something."""
    root = (np.arange(SPREADS) + 0.5) / SPREADS
    spread = FURTHEST * root**2  # dense near zero, where many trials decide
    weight = root * np.exp(-(spread**2) / (2 * SPREAD**2))
    precision = 1 / (dispersion * spread**2)
    low, high = 0.0, np.pi / 2
    for _ in range(2):
        edges = np.linspace(low, high, MEANS + 1)
        angle = (edges[1:] + edges[:-1]) / 2
        fit = _log_likelihood(hits, misses, np.sin(angle)[:, None] ** 2, precision)
        density = np.exp(fit - fit.max()) @ weight
        seen = np.flatnonzero(density > NEGLIGIBLE * density.max())
        low, high = edges[seen[0]], edges[seen[-1] + 1]
    reached = np.concatenate([[0.0], np.cumsum(density)]) / density.sum()
    return np.asarray(np.sin(np.interp(tails, reached, edges)) ** 2)


def _log_likelihood(hits: np.ndarray, misses: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Of beta-binomial seeds, up to a constant, on a grid of the beta distribution's mean and precision."""
    a, b = mean * precision, (1 - mean) * precision
    total = len(hits) * (special.gammaln(precision) - special.gammaln(a) - special.gammaln(b))
    for hit, miss in zip(hits, misses, strict=True):
        total = total + special.gammaln(hit + a) + special.gammaln(miss + b) - special.gammaln(hit + miss + precision)
    return np.asarray(total)
