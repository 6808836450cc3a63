"""Intervals and comparisons from per-episode scores. What resamples takes its generator as an argument.

The scores of a cell come in groups, one array per training seed. What is said about them is simulated in docs/statistics.md:

- the mean of bounded scores: `beta_binomial`, with a stated prior on how much seeds differ;
- two rows: Student's t over the seeds' mean differences, and over episodes, whichever is less sure. Two trained networks are
  not two methods, so with one seed there is no p-value;
- all else (interquartile means, ratios, ranks, unbounded metrics): `replicates`. A percentile interval of seeds, then episodes,
  resampled does not hold: k seeds resampled show only (k-1)/k of their variance, normal quantiles stand where Student's are
  due, and the episode noise counts twice. `replicates` fixes all three;
- with one seed nothing is known about other seeds, and an interval covers episodes only: it says so in `covers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from benchmark.results.beta_binomial import mean_bounds

LEVEL = 0.95
DRAWS = 10_000
MIN_ROWS = 5  # that a rank correlation needs to say anything
BLOCK = 1 << 16  # resampled values held at once: what stays in a processor's cache
UNBOUNDED = (-np.inf, np.inf)
ONE_SEED = "one training seed: two trained networks, which say nothing of other seeds of the two methods"

Groups = Sequence[np.ndarray]  # the scores of one cell, one array per training seed
Bounds = tuple[float, float]  # the lowest and highest value that a score can take
Statistic = Callable[[np.ndarray], np.ndarray]  # along the last axis; NaN marks padding


@dataclass(frozen=True)
class Interval:
    """An estimate, its interval, and what the interval is about: `seeds and episodes`, `episodes`, `trials`, `rows`."""

    estimate: float
    low: float
    high: float
    covers: str


@dataclass(frozen=True)
class Comparison:
    """One method against another on the episodes that both faced."""

    difference: Interval
    p: float  # two-sided; NaN where nothing can be said, for this reason:
    abstains: str = ""

    def significant(self, level: float = LEVEL) -> bool:
        return self.p < 1 - level


# ---------------------------------------------------------------------------------------------------- what is estimated


def mean(values: np.ndarray) -> np.ndarray:
    return np.nanmean(values, axis=-1) if np.isnan(values).any() else values.mean(axis=-1)


def iqm(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half: what is left after a quarter is cut off at each end (Agarwal et al. 2021, section 4.3)."""
    ordered = np.sort(values, axis=-1)  # NaN goes last
    count = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None]
    position = np.arange(ordered.shape[-1])
    kept = (position >= count // 4) & (position < count - count // 4)
    return np.sum(ordered, axis=-1, where=kept) / kept.sum(axis=-1)


# ---------------------------------------------------------------------------------------------------------- resampling


def replicates(
    groups: Groups,
    rng: np.random.Generator,
    *,
    statistic: Statistic = mean,
    bounds: Bounds = UNBOUNDED,
    draws: int = DRAWS,
) -> np.ndarray:
    """Where the statistic could lie: a stratified bootstrap whose spread is that of Student's t.

    The shape comes from resampling seeds, then episodes. The scale is set, draw by draw, to the larger of two: the variance
    between seeds (jackknife, with a chi-square draw for its k-1 degrees of freedom), and the variance that the episodes alone
    explain (seeds that agree better than that do so by luck). With one seed, episodes are the units of the first kind.
    """
    values = _padded(groups)
    seeds, scores = len(values), values[~np.isnan(values)]
    estimate = float(statistic(values.reshape(-1)))
    if np.all(scores == scores[0]):
        return _unvaried(estimate, len(scores), rng, bounds, draws)
    deviation = _resample(values, statistic, rng, draws) - estimate
    variance = float(np.mean(deviation**2))
    if seeds == 1:
        units, between, within = len(scores), variance * len(scores) / (len(scores) - 1), 0.0
    else:
        left_out = np.array([statistic(np.delete(values, seed, axis=0).reshape(-1)) for seed in range(seeds)])
        units, between = seeds, float((seeds - 1) / seeds * np.sum((left_out - left_out.mean()) ** 2))
        within = max(0.0, variance - between * (seeds - 1) / seeds)
    student = np.sqrt((units - 1) / rng.chisquare(units - 1, draws))
    scale = np.maximum(student * np.sqrt(between), np.sqrt(within)) / np.sqrt(variance)
    return np.clip(estimate + deviation * scale, *bounds)


def _padded(groups: Groups) -> np.ndarray:
    """(seeds, episodes), short groups filled up with NaN."""
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError("a statistic needs at least one score per seed")
    values = np.full((len(groups), max(map(len, groups))), np.nan)
    for row, group in zip(values, groups, strict=True):
        row[: len(group)] = group
    if np.count_nonzero(np.isnan(values)) != values.size - sum(map(len, groups)):
        raise ValueError("a score is not a number; a crashed episode carries the lowest value of its metric")
    return values


def _resample(values: np.ndarray, statistic: Statistic, rng: np.random.Generator, draws: int) -> np.ndarray:
    """The statistic of `draws` resampled data sets."""
    seeds, episodes = values.shape
    counts = np.count_nonzero(~np.isnan(values), axis=1)
    ragged = bool((counts < episodes).any())
    result = np.empty(draws)
    step = max(1, BLOCK // values.size)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        chosen = rng.integers(seeds, size=(size, seeds, 1))
        places = (rng.random((size, seeds, episodes)) * counts[chosen]).astype(np.intp)
        sample = values[chosen, places]
        if ragged:
            sample[np.arange(episodes) >= counts[chosen]] = np.nan
        result[start : start + size] = statistic(sample.reshape(size, -1))
    return result


def _unvaried(value: float, count: int, rng: np.random.Generator, bounds: Bounds, draws: int) -> np.ndarray:
    """Replicates where all scores are equal and a bootstrap is blind: the share of episodes that may still differ, with
    Clopper and Pearson's bound for 0 of `count`, lies at the far end of the metric."""
    low, high = bounds
    if not np.isfinite(high - low):
        return np.full(draws, value)
    ends = np.array([end for end in bounds if end != value])
    return value + rng.beta(1, count, draws) * (rng.choice(ends, draws) - value)


# ----------------------------------------------------------------------------------------------------------- intervals


def interval(
    groups: Groups,
    rng: np.random.Generator,
    *,
    statistic: Statistic = mean,
    bounds: Bounds = UNBOUNDED,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Interval:
    """The interval of one cell: beta-binomial for the mean of bounded scores, the bootstrap elsewhere."""
    estimate = float(statistic(_padded(groups).reshape(-1)))
    if statistic is mean and is_bounded(bounds):
        return bounded(groups, bounds, level=level)
    drawn = replicates(groups, rng, statistic=statistic, bounds=bounds, draws=draws)
    return _percentiles(estimate, drawn, level, _covers(groups))


def is_bounded(bounds: Bounds) -> bool:
    return bool(np.isfinite(bounds[1] - bounds[0]))


def bounded(groups: Groups, bounds: Bounds = (0, 1), *, level: float = LEVEL) -> Interval:
    """The beta-binomial interval of a mean; it draws no random numbers."""
    floor, reach = bounds[0], bounds[1] - bounds[0]
    estimate = float(mean(_padded(groups).reshape(-1)))
    low, high = mean_bounds([np.clip((np.asarray(group, float) - floor) / reach, 0, 1) for group in groups], level)
    return Interval(estimate, min(floor + reach * low, estimate), max(floor + reach * high, estimate), _covers(groups))


def wilson(successes: float, trials: float, level: float = LEVEL) -> Interval:
    """The score interval of a proportion (Wilson 1927): holds near 0 and 1 and at few trials, where the usual one does not."""
    z = float(special.ndtri((1 + level) / 2))
    share, shrink = successes / trials, z**2 / trials
    centre = (share + shrink / 2) / (1 + shrink)
    half = z / (1 + shrink) * np.sqrt(share * (1 - share) / trials + shrink / (4 * trials))
    return Interval(share, float(min(share, max(0.0, centre - half))), float(max(share, min(1.0, centre + half))), "trials")


def _percentiles(estimate: float, drawn: np.ndarray, level: float, covers: str) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")  # infinities stay themselves
    return Interval(estimate, float(min(low, estimate)), float(max(high, estimate)), covers)


def _covers(groups: Groups) -> str:
    return "episodes" if len(groups) == 1 else "seeds and episodes"


# --------------------------------------------------------------------------------------------------------- comparisons


def compare(ours: Groups, theirs: Groups, *, bounds: Bounds = UNBOUNDED, level: float = LEVEL) -> Comparison:
    """Paired: `ours[s][e]` and `theirs[s][e]` are the same episode under the same training seed.

    Each seed's mean difference counts once, however many episodes it is of. Their mean has to hold against two yardsticks: how
    much they vary (Student's t), and how much episodes alone would vary it (seeds that agree better than that do so by luck).
    The p-value is the larger, the interval the wider of the two: it excludes zero exactly where p is below 1 - level.
    """
    gaps = _gaps(ours, theirs)
    values, reach = _padded(gaps), bounds[1] - bounds[0]
    estimate = float(np.mean(mean(values)))
    if np.nanmin(values) == np.nanmax(values):
        half, p = _unvaried_gap(gaps, estimate, reach, level)
    else:
        errors = [(freedom, error) for freedom, error in _standard_errors(values) if error > 0]
        half = max(float(special.stdtrit(freedom, (1 + level) / 2)) * error for freedom, error in errors)
        p = max(2 * float(special.stdtr(freedom, -abs(estimate) / error)) for freedom, error in errors)
    low, high = max(estimate - half, min(estimate, -reach)), min(estimate + half, max(estimate, reach))
    difference = Interval(estimate, low, high, _covers(gaps))
    return Comparison(difference, p) if len(gaps) > 1 else Comparison(difference, np.nan, ONE_SEED)


def _standard_errors(values: np.ndarray) -> list[tuple[int, float]]:
    """Of the mean of the seeds' means: degrees of freedom and size, between seeds and within them, as far as there are any."""
    seeds, sizes = len(values), np.count_nonzero(~np.isnan(values), axis=1)
    means, total = np.nanmean(values, axis=1), int(sizes.sum())
    within = float(np.nansum((values - means[:, None]) ** 2))
    between = [(seeds - 1, float(np.sqrt(means.var(ddof=1) / seeds)))] if seeds > 1 else []
    if total == seeds:
        return between
    return [*between, (total - seeds, float(np.sqrt(within / (total - seeds) * np.mean(1 / sizes) / seeds)))]


def _unvaried_gap(gaps: Groups, gap: float, reach: float, level: float) -> tuple[float, float]:
    """Half-width and p where all differences are equal. The share of episodes that may still differ, after none has, lies at
    the far end; its bound is that of a row of zeros, and p the level at which that bound would reach zero difference."""
    if not np.isfinite(reach):
        return 0.0, float(gap == 0)
    tail = (1 - level) / 2
    _, share = mean_bounds([np.zeros(len(group)) for group in gaps], level)
    trials = min(sum(map(len, gaps)), np.log(tail) / np.log1p(-min(share, 1 - 1e-9)))  # never surer than the sign test
    span = abs(gap) + reach
    return float(1 - tail ** (1 / trials)) * span, min(1.0, 2 * float((reach / span) ** trials))


def improvement(ours: Groups, theirs: Groups, *, level: float = LEVEL) -> Interval:
    """The probability of improvement (Agarwal et al. 2021) on paired episodes: how often ours does better; ties count half."""
    return bounded([(np.sign(gap) + 1) / 2 for gap in _gaps(ours, theirs)], level=level)


def _gaps(ours: Groups, theirs: Groups) -> list[np.ndarray]:
    if [len(a) for a in ours] != [len(b) for b in theirs]:
        raise ValueError("a paired comparison needs the same episodes on both sides")
    return [np.asarray(a, float) - np.asarray(b, float) for a, b in zip(ours, theirs, strict=True)]


def ratio(
    part: Groups,
    whole: Groups,
    rng: np.random.Generator,
    *,
    bounds: Bounds = (0, np.inf),
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Interval:
    """The quotient of two means, both uncertain; unbounded above where the denominator may be zero."""
    bottom = float(mean(_padded(whole).reshape(-1)))
    if bottom <= 0:
        return Interval(np.nan, 0.0, np.inf, _covers(whole))
    above, below = joint_replicates([part, whole], rng, bounds=bounds, draws=draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.where(below > 0, above / below, np.inf)
    return _percentiles(float(mean(_padded(part).reshape(-1))) / bottom, drawn, level, _covers(whole))


def ranks(
    rows: Mapping[str, Groups],
    rng: np.random.Generator,
    *,
    bounds: Bounds = UNBOUNDED,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> dict[str, Interval]:
    """The rank of each name, 1 for the highest mean."""
    from scipy.stats import rankdata  # not above: a second of imports, and few tables rank rows

    groups = list(rows.values())
    estimates = rankdata([-mean(_padded(row).reshape(-1)) for row in groups])
    drawn = rankdata(-np.stack(joint_replicates(groups, rng, bounds=bounds, draws=draws)), axis=0)
    ends = zip(rows, estimates, drawn, strict=True)
    return {name: _percentiles(float(rank), spread, level, _covers(rows[name])) for name, rank, spread in ends}


def joint_replicates(
    rows: Sequence[Groups], rng: np.random.Generator, *, bounds: Bounds = UNBOUNDED, draws: int = DRAWS
) -> list[np.ndarray]:
    """Replicates of several rows from the same random numbers: rows with equal numbers of seeds and episodes are resampled
    at the same places, so that what an episode does to all of them cancels."""
    common = int(rng.integers(2**63))
    return [replicates(row, np.random.default_rng(common), bounds=bounds, draws=draws) for row in rows]


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values corrected for their number (Holm 1979): the chance of any false positive among them stays below the level.
    NaN, where a comparison abstains, stays and counts as none."""
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]  # NaN goes last
    corrected = np.full_like(values, np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return corrected


def rank_correlation(x: Sequence[float], y: Sequence[float], level: float = LEVEL) -> Interval:
    """Spearman's coefficient; the rows are taken for a sample of methods. Fisher's z with Bonett and Wright's (2000) standard
    error; fewer than five rows say nothing."""
    from scipy.stats import spearmanr  # not above: as in `ranks`

    constant = len(set(x)) < 2 or len(set(y)) < 2
    estimate = float("nan") if constant else float(spearmanr(x, y).statistic)
    if constant or len(x) < MIN_ROWS:
        return Interval(estimate, -1.0, 1.0, "rows")
    z = np.arctanh(np.clip(estimate, -1 + 1e-12, 1 - 1e-12))
    half = float(special.ndtri((1 + level) / 2)) * np.sqrt((1 + estimate**2 / 2) / (len(x) - 3))
    return Interval(estimate, float(min(estimate, np.tanh(z - half))), float(max(estimate, np.tanh(z + half))), "rows")
