"""Power against simulation of the comparison that it is about."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.results import power as p
from benchmark.results import statistics as s


def test_components_are_those_of_the_simulation():
    rng = np.random.default_rng(0)
    rows = [list(rng.normal(0, 0.5, (6, 1)) + rng.normal(0, 4.0, (6, 100))) for _ in range(100)]
    found = p.components(rows)
    assert found.within == pytest.approx(16.0, rel=0.05)
    assert found.between == pytest.approx(0.25, rel=0.3)
    assert p.components([[np.arange(5.0)]]).between == 0
    with pytest.raises(ValueError, match="two episodes"):
        p.components([[np.ones(1)]])


@pytest.mark.parametrize(("seeds", "shift"), [(2, 2.0), (3, 3.0), (6, 1.5)])
def test_power_is_that_of_the_noncentral_t(seeds, shift):
    freedom, of = seeds - 1, p.Components(float(seeds), 0.0)  # a standard error of 1
    critical = stats.t.ppf(0.975, freedom)
    expected = stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)
    assert p.power(shift, of, seeds, 10) == pytest.approx(expected, abs=1e-4)
    assert p.power(0.0, of, seeds, 10) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("seeds", "between", "difference"), [(2, 0.0, 0.2), (5, 0.0, 0.25), (8, 0.3, 0.4)])
def test_power_counts_both_conditions_of_a_comparison(seeds, between, difference):
    """Seeds that differ little do so by luck: the test over episodes is then the harder one."""
    rng, found, repeats = np.random.default_rng(1), 0, 2000
    for _ in range(repeats):
        gaps = list(difference + rng.normal(0, between, (seeds, 1)) + rng.normal(0, 1, (seeds, 20)))
        found += s.compare(gaps, [np.zeros(20)] * seeds).significant()
    expected = p.power(difference, p.Components(between**2, 1.0), seeds, 20)
    assert found / repeats == pytest.approx(expected, abs=3.5 * np.sqrt(expected * (1 - expected) / repeats))


@pytest.mark.parametrize(("seeds", "episodes", "correlation"), [(3, 100, 0.05), (5, 50, 0.05), (5, 100, 0.2)])
def test_a_detectable_difference_of_rates_is_found_four_times_in_five(seeds, episodes, correlation):
    """Beta-binomial rows; the variance is that of the two rates that the difference leads to."""
    size = 0.0
    for _ in range(20):
        total = 0.25 - size**2 / 4
        size = p.detectable(p.Components(correlation * total, (1 - correlation) * total).of_difference(), seeds, episodes)
    rng, found, repeats = np.random.default_rng(2), 0, 1000
    strength = (1 - correlation) / correlation
    for _ in range(repeats):
        rates = [rng.beta(m * strength, (1 - m) * strength, (seeds, 1)) for m in (0.5 + size / 2, 0.5 - size / 2)]
        ours, theirs = (list((rng.random((seeds, episodes)) < rate).astype(float)) for rate in rates)
        found += s.compare(ours, theirs, bounds=(0, 1)).significant()
    assert found / repeats == pytest.approx(0.8, abs=0.05)


def test_episodes_needed_is_the_first_number_that_suffices():
    gap = p.Components(0.02, 1.0).of_difference()
    assert gap == p.Components(0.04, 2.0)
    needed = p.episodes_needed(0.5, gap, 5)
    assert needed is not None
    assert p.power(0.5, gap, 5, needed) >= 0.8 > p.power(0.5, gap, 5, needed - 1)
    assert p.detectable(gap, 5, needed) <= 0.5 < p.detectable(gap, 5, needed - 1)
    assert p.episodes_needed(0.5, gap, 2) is None  # two seeds that differ: no number of episodes is enough


def test_what_cannot_be_found():
    for seeds, episodes in ((1, 1), (1, 1000)):  # one seed: two networks
        assert p.detectable(p.Components(0.0, 1.0), seeds, episodes) == np.inf
    assert p.episodes_needed(5.0, p.Components(0.0, 1.0), 1) is None
    assert p.detectable(p.Components(0.0, 0.0), 3, 5) == 0
    assert p.detectable(p.Components(0.01, 0.01), 2, 5, level=0.9999) == np.inf  # with one degree of freedom
    assert p.power(1.0, p.Components(0.0, 1.0), 1, 1) == 0


def test_rows_of_many_seeds_do_not_weigh_more():
    """Neither in the variance within seeds nor in that between them."""
    rng = np.random.default_rng(3)
    quiet = [rng.normal(0, 1, 50) for _ in range(8)]
    loud = [rng.normal(0, 3, 50) for _ in range(2)]
    found = p.components([quiet, loud])
    assert found.within == pytest.approx(np.mean([np.mean([np.var(g, ddof=1) for g in row]) for row in (quiet, loud)]))


def test_the_level_moves_what_can_be_found():
    of = p.Components(0.01, 1.0)
    sizes = [p.detectable(of, 3, 50, level=level) for level in (0.5, 0.95, 0.99)]
    assert sizes == sorted(set(sizes))
    assert p.power(sizes[2], of, 3, 50, level=0.99) == pytest.approx(0.8, abs=1e-3)
    for each in (of, p.Components(0.1, 0.0)):  # where episodes vary, and where seeds do alone
        powers = [p.power(0.5, each, 3, 50, level=level) for level in (0.99, 0.95, 0.5)]
        assert powers == sorted(set(powers))
    assert p.detectable(of, 0, 0) == np.inf
