"""Intervals and comparisons: closed forms, and simulation of what is promised. Everything is seeded, so nothing can flicker."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.results import statistics as s

REPEATS, DRAWS = 400, 800
BELOW = 0.95 - 3 * np.sqrt(0.95 * 0.05 / REPEATS)  # three binomial standard errors
ABOVE = 0.95 + 3 * np.sqrt(0.95 * 0.05 / REPEATS)


def experiment(rng, seeds, episodes, between, within=1.0):
    return list(rng.normal(0, between, (seeds, 1)) + rng.normal(0, within, (seeds, episodes)))


def coverage(draw, truth, interval, repeats=REPEATS):
    rng = np.random.default_rng(0)
    found = [interval(draw(rng), rng) for _ in range(repeats)]
    return np.mean([i.low <= truth <= i.high for i in found]), np.mean([i.high - i.low for i in found])


def boot(groups, rng, **choices):
    return s.interval(groups, rng, draws=DRAWS, **choices)


# -------------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_values_of_newcombe_1998(successes, trials, low, high):
    found = s.wilson(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_wilson_follows_the_level():
    assert s.wilson(81, 263, 0.99).low < s.wilson(81, 263).low < s.wilson(81, 263, 0.5).low


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_holds_its_estimate_and_mirrors(successes, trials):
    successes = min(successes, trials)
    found, mirrored = s.wilson(successes, trials), s.wilson(trials - successes, trials)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


@pytest.mark.parametrize("size", [1, 3, 4, 7, 50, 101])
def test_iqm_is_scipys_trimmed_mean_and_blind_to_padding(size):
    values = np.random.default_rng(size).normal(size=(6, size))
    expected = stats.trim_mean(values, 0.25, axis=-1)
    np.testing.assert_allclose(s.iqm(values), expected)
    np.testing.assert_allclose(s.iqm(np.concatenate([values, np.full((6, 3), np.nan)], axis=-1)), expected)


def test_one_seed_gives_the_t_interval_of_a_mean():
    values = np.random.default_rng(1).normal(2, 1, 40)
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    found = s.interval([values], np.random.default_rng(0), draws=40_000)
    assert found.covers == "episodes"
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03 * (high - low))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_seeds_that_differ_give_the_t_interval_of_their_means(seeds):
    groups = experiment(np.random.default_rng(2), seeds, 60, between=1.0, within=0.5)
    means = [group.mean() for group in groups]
    low, high = stats.t.interval(0.95, seeds - 1, np.mean(means), stats.sem(means))
    found = s.interval(groups, np.random.default_rng(0), draws=40_000)
    assert found.covers == "seeds and episodes"
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.12 * (high - low))


def test_seeds_that_agree_by_luck_are_not_trusted():
    """Three seeds with the same mean: the episodes still vary."""
    groups = [np.array([0.0, 1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0, 0.0]), np.array([0.0, 0.0, 3.0, 3.0])]
    found = s.interval(groups, np.random.default_rng(0), draws=20_000)
    episodes_alone = 1.96 * np.sqrt(sum(group.var() / 4 for group in groups)) / 3
    assert found.high - found.low > 1.8 * episodes_alone


def test_holm_on_a_worked_example():
    np.testing.assert_allclose(s.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert s.holm([0.6, 0.7]).max() == 1


@pytest.mark.parametrize(
    "groups",
    [[np.repeat([0.0, 1.0], [12, 8])], [np.arange(20.0)], [np.arange(9.0) + shift for shift in (0, 20, 60, 120)]],
    ids=["rate", "episodes", "seeds"],
)
def test_the_level_is_the_readers(groups):
    """A higher level gives a wider interval, by as much as the quantiles of the normal or of Student's distribution."""
    bounds = (0, 1) if groups[0].max() == 1 else s.UNBOUNDED
    half, most = (s.interval(groups, np.random.default_rng(0), bounds=bounds, level=level, draws=8000) for level in (0.5, 0.9))
    freedom = len(groups) - 1 if len(groups) > 1 else len(groups[0]) - 1
    quantiles = stats.norm if bounds == (0, 1) else stats.t(freedom)
    expected = quantiles.ppf(0.95) / quantiles.ppf(0.75)
    assert (most.high - most.low) / (half.high - half.low) == pytest.approx(expected, rel=0.15)


# ---------------------------------------------------------------------------------------------------------- simulation


@pytest.mark.parametrize(
    ("seeds", "episodes", "between"), [(1, 25, 0.0), (2, 25, 0.5), (3, 25, 0.5), (3, 25, 0.0), (5, 25, 0.2), (10, 10, 0.3)]
)
def test_intervals_of_means_cover(seeds, episodes, between):
    covered, _ = coverage(lambda rng: experiment(rng, seeds, episodes, between), 0.0, boot)
    assert covered >= BELOW
    # seeds that differ little give wider intervals than needed: they cannot be known to
    assert covered <= (ABOVE if seeds == 1 or between * np.sqrt(episodes) > 2 else 1)


def test_plain_percentiles_would_not_cover():
    """What the correction is for: resampling three seeds that differ, without it."""

    def percentiles(groups, rng):
        drawn = s._resample(np.array(groups), s.mean, rng, DRAWS)
        return s.Interval(0, *np.quantile(drawn, [0.025, 0.975]), "")

    covered, _ = coverage(lambda rng: experiment(rng, 3, 25, 0.5), 0.0, percentiles)
    assert covered < 0.85


def test_one_seed_says_nothing_of_other_seeds():
    covered, _ = coverage(lambda rng: experiment(rng, 1, 25, 0.5), 0.0, boot)
    assert covered < 0.75
    assert boot([np.arange(5.0)], np.random.default_rng(0)).covers == "episodes"


def test_intervals_of_bounded_scores_and_iqm_cover():
    """Kitchen-like counts of 0 to 4, of seeds that do not differ: an interval that allows for it is wider than needed."""
    draw = lambda rng: [rng.binomial(4, 0.4, 30).astype(float) for _ in range(3)]  # noqa: E731
    population = s.iqm(np.random.default_rng(9).binomial(4, 0.4, 1_000_000).astype(float))
    assert coverage(draw, 1.6, lambda g, r: boot(g, r, bounds=(0, 4)))[0] >= BELOW
    assert coverage(draw, population, lambda g, r: boot(g, r, bounds=(0, 4), statistic=s.iqm), 200)[0] >= BELOW - 0.02


@pytest.mark.parametrize(("seeds", "between"), [(2, 0.4), (3, 0.0), (3, 0.4), (5, 0.4)])
def test_false_positives_under_the_null(seeds, between):
    rng = np.random.default_rng(3)
    p = []
    for _ in range(2000):
        episodes = rng.normal(0, 1, (seeds, 30))  # what both rows meet
        ours, theirs = (list(episodes + np.array(experiment(rng, seeds, 30, between, 0.7))) for _ in range(2))
        p.append(s.compare(ours, theirs).p)
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p))
    assert np.mean(np.array(p) < 0.5) > 0.3  # and it is not mute


def test_seeds_that_agree_by_luck_are_not_told_apart():
    """Without variance between seeds, two of them often agree: Student's t alone would call that a difference."""
    rng = np.random.default_rng(4)
    gaps = [experiment(rng, 2, 30, 0.0) for _ in range(2000)]
    zero = [np.zeros(30)] * 2
    assert np.mean([s.compare(gap, zero).significant() for gap in gaps]) < 0.02
    lucky = [np.array([0.1, 1.0, -0.8, 0.2]), np.array([0.3, -0.9, 0.9, 0.2])]
    assert s.compare(lucky, [np.zeros(4)] * 2).p > 0.5


def test_rank_correlation_covers():
    """Bivariate normal rows: Spearman's coefficient is 6/pi arcsin(rho/2)."""
    rho, rng = 0.6, np.random.default_rng(4)
    found = [s.rank_correlation(*rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 15).T) for _ in range(REPEATS)]
    truth = 6 / np.pi * np.arcsin(rho / 2)
    assert BELOW - 0.02 <= np.mean([i.low <= truth <= i.high for i in found]) <= 1


def test_ratio_covers():
    def draw(rng):
        return [list(rng.normal(m, 1, (4, 1)) * 0.2 + rng.normal(m, 0.5, (4, 20))) for m in (1.5, 3.0)]

    rng = np.random.default_rng(5)
    found = [s.ratio(*draw(rng), rng, draws=DRAWS) for _ in range(REPEATS)]
    assert np.mean([i.low <= 0.5 <= i.high for i in found]) >= BELOW


# --------------------------------------------------------------------------------------------------------- comparisons


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.35, 0.6, 2.0])
@pytest.mark.parametrize("between", [0.0, 0.1])
def test_p_value_and_interval_agree(shift, between):
    rng = np.random.default_rng(6)
    ours, theirs = experiment(rng, 3, 60, between), experiment(rng, 3, 60, between)
    found = s.compare([group + shift for group in ours], theirs)
    assert found.significant() == (found.p < 0.05) == (not found.difference.low <= 0 <= found.difference.high)
    p = found.p
    at_p = s.compare([group + shift for group in ours], theirs, level=1 - p).difference
    assert min(abs(at_p.low), abs(at_p.high)) == pytest.approx(0, abs=1e-9)


def test_a_comparison_is_the_less_sure_of_two_t_tests():
    rng = np.random.default_rng(9)
    for between in (0.0, 1.0):
        gaps = experiment(rng, 4, 25, between)
        means = [gap.mean() for gap in gaps]
        seeds = stats.ttest_1samp(means, 0).pvalue
        within = np.sqrt(np.mean([gap.var(ddof=1) for gap in gaps]) / 100)
        episodes = 2 * stats.t.sf(abs(np.mean(means)) / within, 96)
        assert s.compare(gaps, [np.zeros(25)] * 4).p == pytest.approx(max(seeds, episodes))


def test_each_seed_counts_once_however_many_episodes_it_is_of():
    rng = np.random.default_rng(3)
    for swing in (0.3, 0.01):  # of seeds that differ, and that agree better than their episodes do
        noise = [rng.normal(0, 1, size) for size in (40, 5, 11)]
        gaps = [0.5 + swing * seed + each - each.mean() for seed, each in enumerate(noise)]
        means = [gap.mean() for gap in gaps]
        found = s.compare(gaps, [np.zeros(len(gap)) for gap in gaps])
        assert found.difference.estimate == pytest.approx(np.mean(means))
        within = sum(((gap - gap.mean()) ** 2).sum() for gap in gaps) / (56 - 3)
        error = np.sqrt(within * sum(1 / len(gap) for gap in gaps)) / 3
        episodes, seeds = 2 * stats.t.sf(np.mean(means) / error, 53), stats.ttest_1samp(means, 0).pvalue
        assert found.p == pytest.approx(max(seeds, episodes))
        assert (seeds > episodes) == (swing == 0.3)


def test_seeds_of_unequal_numbers_of_episodes_raise_no_false_positives():
    """One seed of 100 episodes and four of 10, whose networks differ."""
    rng = np.random.default_rng(10)
    gaps = (
        [rng.normal(swing, 1, size) for swing, size in zip(rng.normal(0, 0.5, 5), (100, *[10] * 4), strict=True)]
        for _ in range(2000)
    )
    told = np.mean([s.compare(gap, [np.zeros(len(group)) for group in gap]).significant() for gap in gaps])
    assert told <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_one_seed_is_two_networks_and_not_two_methods():
    found = s.compare([np.ones(50)], [np.zeros(50)], bounds=(0, 1))
    assert np.isnan(found.p)
    assert not found.significant()
    assert "one training seed" in found.abstains
    assert (found.difference.estimate, found.difference.covers) == (1, "episodes")
    assert s.compare([np.ones(50)] * 2, [np.zeros(50)] * 2, bounds=(0, 1)).abstains == ""


def test_pairing_cancels_what_episodes_do_to_both():
    rng = np.random.default_rng(7)
    hard = rng.normal(0, 5, (3, 20))
    ours, theirs = list(hard + 0.5 + rng.normal(0, 0.1, (3, 20))), list(hard + rng.normal(0, 0.1, (3, 20)))
    found = s.compare(ours, theirs)
    assert found.p < 0.05
    assert found.difference.high - found.difference.low < 0.5
    assert s.improvement(ours, theirs).low > 0.8
    a, b = s.joint_replicates([ours, [group + 1 for group in ours]], rng, draws=500)
    np.testing.assert_allclose(b - a, 1)


def test_differences_that_do_not_vary():
    """All ties is no difference, and the interval does not collapse; all wins is one, if there are enough of them."""
    tied = s.compare([np.ones(50)] * 3, [np.ones(50)] * 3, bounds=(0, 1))
    assert (tied.p, tied.difference.estimate) == (1, 0)
    assert 0.05 < tied.difference.high == -tied.difference.low < 0.2
    for episodes in (1, 2, 3, 4, 5, 6, 8, 12, 40):
        won = s.compare([np.ones(episodes)] * 2, [np.zeros(episodes)] * 2, bounds=(0, 1))
        assert won.p >= 2 * 0.5 ** (2 * episodes)  # never surer than the sign test
        assert won.significant() == (won.difference.low > 0) == (episodes > 4)
    assert s.compare([np.zeros(50)] * 2, [np.full(50, 0.01)] * 2, bounds=(0, 1)).p > 0.5
    with pytest.raises(ValueError, match="same episodes"):
        s.compare([np.ones(4)], [np.ones(3)])


def test_holm_leaves_out_what_abstains():
    np.testing.assert_allclose(s.holm([np.nan, 0.01, np.nan, 0.04]), [np.nan, 0.02, np.nan, 0.04])


def test_improvement_counts_ties_half_and_is_antisymmetric():
    ours, theirs = [np.array([1.0, 2, 3, 3])], [np.array([0.0, 2, 4, 1])]
    assert s.improvement(ours, theirs).estimate == 0.625
    assert s.improvement(theirs, ours).estimate == 0.375


def test_ratio_knows_when_the_denominator_may_be_zero():
    rng = np.random.default_rng(0)
    assert s.ratio([np.ones(9)], [np.eye(9)[0]], rng, bounds=(0, 1)).high == np.inf
    nothing = s.ratio([np.ones(9)], [np.zeros(9)], rng, bounds=(0, 1))
    assert np.isnan(nothing.estimate)
    assert (nothing.low, nothing.high) == (0, np.inf)
    found = s.ratio(experiment(rng, 3, 9, 0.1), experiment(rng, 3, 9, 0.1), rng)
    assert found.low <= found.high


def test_ranks_are_sure_of_what_is_clear_only():
    rng = np.random.default_rng(8)
    rows = {name: [group + mean for group in experiment(rng, 5, 30, 0.05)] for name, mean in (("a", 9), ("b", 0), ("c", 0))}
    found = s.ranks(rows, rng)
    assert (found["a"].estimate, found["a"].low, found["a"].high) == (1, 1, 1)
    assert (found["b"].low, found["b"].high) == (found["c"].low, found["c"].high) == (2, 3)
    assert sum(rank.estimate for rank in found.values()) == 6


def test_ranks_know_the_ends_of_the_scale():
    """Six zeros are not sure of the last rank: an episode may still end anywhere within the bounds."""
    rows = {"a": [np.zeros(3)] * 2, "b": [np.array([0.19, 0.2, 0.21])] * 2}
    sure, bounded = (s.ranks(rows, np.random.default_rng(0), bounds=bounds, draws=500) for bounds in (s.UNBOUNDED, (0, 1)))
    assert (sure["a"].low, sure["a"].high) == (2, 2)
    assert (bounded["a"].low, bounded["a"].high) == (1, 2)


def test_scores_beyond_the_ends_have_an_interval():
    for beyond in (-0.5, 1.5):
        for groups in ([np.full(4, beyond)], [np.array([beyond, beyond, 0.5])] * 2):
            found = s.bounded(groups)
            assert np.isfinite([found.low, found.high]).all()
            assert found.low <= found.estimate <= found.high


def test_rank_correlation_of_few_or_constant_rows_says_nothing():
    assert (s.rank_correlation([1, 2, 3], [1, 2, 3]).low, s.rank_correlation([1, 2, 3], [1, 2, 3]).high) == (-1, 1)
    assert np.isnan(s.rank_correlation([1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6]).estimate)
    assert s.rank_correlation(range(8), range(8)).low > 0.9


# ------------------------------------------------------------------------------------------------------------- manners


def test_results_follow_from_the_generator_alone():
    groups = experiment(np.random.default_rng(0), 3, 10, 0.3)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    a, b = (s.interval(groups, np.random.default_rng(5)) for _ in range(2))
    assert a == b
    assert a != s.interval(groups, np.random.default_rng(6))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_replicates_do_not_depend_on_the_size_of_blocks(monkeypatch):
    groups = [np.arange(4.0), np.arange(3.0), np.ones(2)]
    whole = s.replicates(groups, np.random.default_rng(0), draws=4000)
    monkeypatch.setattr(s, "BLOCK", 24)
    parts = s.replicates(groups, np.random.default_rng(0), draws=4000)
    assert (whole.mean(), whole.std()) == pytest.approx((parts.mean(), parts.std()), rel=0.2)
    assert np.quantile(whole, 0.5) == pytest.approx(np.mean(np.concatenate(groups)), abs=0.1)


def test_bounds_are_kept():
    drawn = s.replicates([np.array([0.0, 4.0]), np.array([0.0, 3.0])], np.random.default_rng(0), bounds=(0, 4))
    assert (drawn.min(), drawn.max()) == (0, 4)


@pytest.mark.parametrize("groups", [[], [np.array([])], [np.array([1.0, np.nan])]])
def test_absent_scores_are_an_error(groups):
    with pytest.raises(ValueError, match="score"):
        s.interval(groups, np.random.default_rng(0))
