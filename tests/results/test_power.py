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


@pytest.mark.parametrize(("seeds", "episodes", "between"), [(1, 30, 0.0), (5, 20, 0.6)])
def test_a_detectable_difference_is_found_four_times_in_five(seeds, episodes, between):
    gap = p.Components(between**2, 1.0)
    size = p.detectable(gap, seeds, episodes)
    rng, found = np.random.default_rng(1), 0
    for _ in range(300):
        gaps = list(size + rng.normal(0, between, (seeds, 1)) + rng.normal(0, 1, (seeds, episodes)))
        found += s.compare(gaps, [np.zeros(episodes)] * seeds, rng, draws=800).p < 0.05
    assert found / 300 == pytest.approx(0.8, abs=0.07)


def test_episodes_needed_is_the_first_number_that_suffices():
    gap = p.Components(0.02, 1.0).of_difference()
    assert gap == p.Components(0.04, 2.0)
    needed = p.episodes_needed(0.5, gap, 5)
    assert needed is not None
    assert p.power(0.5, gap, 5, needed) >= 0.8 > p.power(0.5, gap, 5, needed - 1)
    assert p.detectable(gap, 5, needed) <= 0.5 < p.detectable(gap, 5, needed - 1)
    assert p.episodes_needed(0.5, gap, 2) is None  # two seeds that differ: no number of episodes is enough


def test_what_cannot_be_found():
    assert p.detectable(p.Components(0.0, 1.0), 1, 1) == np.inf
    assert p.detectable(p.Components(0.0, 0.0), 3, 5) == 0
    assert p.power(1.0, p.Components(0.0, 1.0), 1, 1) == 0
