"""Intervals of bounded means: against scipy, and against data drawn by hand of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special, stats

from benchmark.results import beta_binomial as b
from benchmark.results import statistics as s

REPEATS = 300
LOW, HIGH = 0.92, 0.995


def rows(rng, seeds, episodes, rate, correlation):
    """(rates of networks, successes): beta, then one coin per episode."""
    rates = np.full(seeds, rate)
    if correlation:
        strength = 1 / correlation - 1
        successes, failures = rng.gamma(rate * strength, size=seeds), rng.gamma((1 - rate) * strength, size=seeds)
        rates = successes / (successes + failures)
    return rates, [(rng.random(episodes) < own).astype(float) for own in rates]


def interval(groups, bounds=(0, 1), level=0.95):
    return s.interval(groups, np.random.default_rng(0), bounds=bounds, level=level)


def students_tail(level, freedom):
    """Of the normal distribution, at Student's quantile."""
    return stats.norm.sf(stats.t.ppf((1 + level) / 2, freedom))


def hand_made_posterior(hits, trials, share, tail):
    """Quantiles from a plain grid in the mean and in the deviation between seeds. `share`: of a coin's variance that episodes
    show, so that seeds deviate by that much less."""
    means, spreads = np.linspace(0, 1, 803)[1:-1], (np.arange(100) + 0.5) * 0.024
    density = np.zeros_like(means)
    for spread in spreads:
        a, rest = means / spread**2 / share, (1 - means) / spread**2 / share
        each = [
            np.exp(special.betaln(k + a, n - k + rest) - special.betaln(a, rest)) for k, n in zip(hits, trials, strict=True)
        ]
        density += np.prod(each, axis=0) * stats.halfnorm.pdf(spread, scale=0.6)
    density *= stats.beta.pdf(means, 0.5, 0.5)
    reached = integrate.cumulative_trapezoid(density, means, initial=0)
    return np.interp([tail, 1 - tail], reached / reached[-1], means)


@pytest.mark.parametrize(("successes", "level"), [((12, 20, 9), 0.8), ((1, 30), 0.95), ((2, 3, 2, 4, 0), 0.95)])
def test_quantiles_are_those_of_a_plain_grid(successes, level):
    groups = [np.repeat([1.0, 0.0], (k, 40 - k)) for k in successes]
    tail = students_tail(level, 39 * len(groups))
    expected = hand_made_posterior(successes, [40] * len(groups), 1.0, tail)
    assert b.mean_bounds(groups, level) == pytest.approx(expected, abs=2e-3)


def test_seeds_differ_in_units_of_what_episodes_do():
    """Scores of 1/4 and 3/4: a coin of half the deviation, but for the one episode that is added."""
    groups = [np.repeat([0.75, 0.25], (k, 40 - k)) for k in (12, 20)]
    shown = 0.25 * (12 * 28 + 20 * 20) / 40
    means = [np.mean(group) for group in groups]
    share = (shown + 0.25) / (40 * sum(m * (1 - m) for m in means) + 0.25)
    trials = [40 / share] * 2
    expected = hand_made_posterior(np.multiply(means, trials), trials, share, students_tail(0.95, 78))
    assert b.mean_bounds(groups, 0.95) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("successes", "trials"), [(0, 30), (3, 50), (4, 16), (20, 20)])
def test_one_seed_has_jeffreys_interval(successes, trials):
    group = np.repeat([1.0, 0.0], (successes, trials - successes))
    tail = students_tail(0.95, trials - 1)
    low, high = stats.beta.ppf([tail, 1 - tail], successes + 0.5, trials - successes + 0.5)
    found = interval([group])
    assert (found.low, found.high) == pytest.approx((min(low, successes / trials), max(high, successes / trials)))
    assert found.covers == "episodes"


def test_scores_that_vary_less_than_coins_count_for_more():
    """Four tasks of one episode are nearly four episodes of one task."""
    rng = np.random.default_rng(1)
    tasks = (rng.random((200, 4)) < 0.3).astype(float)
    single, summed = b.mean_bounds([tasks.reshape(-1)], 0.95), interval([tasks.sum(axis=1)], (0, 4))
    assert (summed.low / 4, summed.high / 4) == pytest.approx(single, abs=0.005)


def test_nothing_collapses_and_everything_is_within_bounds():
    for value in (0.0, 1.0, 4.0):
        found = interval([np.full(50, value)] * 3, (0, 4))
        assert found.high - found.low > (0.05 if 0 < value < 4 else 0.3)
        assert 0 <= found.low <= found.estimate <= found.high <= 4
    at_once = interval([np.zeros(50)] * 3), interval([np.ones(50)] * 3)
    assert at_once[0].high == pytest.approx(1 - at_once[1].low)


def test_level_sample_and_agreement_move_the_width_as_they_should():
    groups = [np.repeat([1.0, 0.0], (k, 40 - k)) for k in (12, 20, 9)]

    def width(groups, level=0.95):
        found = interval(groups, level=level)
        return found.high - found.low

    assert width(groups, 0.8) < width(groups) < width(groups, 0.99)
    assert width(groups * 3) < width(groups)
    assert width([np.concatenate(groups)[: 40 * 3].reshape(40, 3).T[i] for i in range(3)]) < width(groups)
    assert width(groups) == pytest.approx(width(groups[::-1]))


# ------------------------------------------------------------------------------------------------------------ simulation


@pytest.mark.parametrize(
    ("seeds", "episodes", "rate", "correlation"),
    [
        (1, 16, 0.1, 0.0),
        (1, 50, 0.02, 0.2),
        (2, 16, 0.1, 0.2),
        (2, 100, 0.02, 0.05),
        (2, 100, 0.02, 0.2),
        (2, 50, 0.5, 0.2),
        (3, 100, 0.02, 0.2),
        (3, 50, 0.9, 0.2),
        (5, 16, 0.9, 0.0),
        (5, 100, 0.02, 0.2),
        (5, 50, 0.1, 0.05),
    ],
)
def test_intervals_of_rates_cover(seeds, episodes, rate, correlation):
    """With one seed the mean that this network would reach, otherwise that of all networks."""
    rng, held = np.random.default_rng(7), 0
    for _ in range(REPEATS):
        rates, groups = rows(rng, seeds, episodes, rate, correlation)
        found = interval(groups)
        held += found.low <= (rates[0] if seeds == 1 else rate) <= found.high
    assert LOW <= held / REPEATS <= HIGH


@pytest.mark.parametrize(("seeds", "correlation"), [(1, 0.0), (2, 0.2), (3, 0.05), (5, 0.2)])
def test_intervals_of_skewed_scores_cover(seeds, correlation):
    """Coverage in Push-T: nine in ten episodes have none."""
    rng, held = np.random.default_rng(8), 0
    for _ in range(REPEATS):
        rates, groups = rows(rng, seeds, 50, 0.1, correlation)
        found = interval([group * rng.triangular(0, 0, 1, 50) for group in groups])
        held += found.low <= (rates[0] if seeds == 1 else 0.1) / 3 <= found.high
    assert LOW <= held / REPEATS <= HIGH


@pytest.mark.parametrize(
    ("seeds", "rate", "correlation"), [(2, 0.5, 0.2), (2, 0.02, 0.2), (3, 0.9, 0.05), (5, 0.1, 0.2), (5, 0.5, 0.0)]
)
def test_equal_methods_are_rarely_told_apart(seeds, rate, correlation):
    rng, told = np.random.default_rng(9), 0
    for _ in range(1000):
        ours, theirs = (rows(rng, seeds, 50, rate, correlation)[1] for _ in range(2))
        told += s.compare(ours, theirs, bounds=(0, 1)).significant()
    assert told / 1000 <= 0.055 + 2 * np.sqrt(0.055 * 0.945 / 1000)
