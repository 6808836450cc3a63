#!/usr/bin/env python3
"""Simulates what the printed intervals, comparisons and minimum detectable differences promise: tables of docs/statistics.md.

    python scripts/simulate_intervals.py --draws 1000 --workers 2      a few minutes

Each trained network has its own success rate, drawn from a beta distribution; its share of a score's variance is the intraclass
correlation (ICC). The numbers are those of the functions that tables call, one simulated data set at a time.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from scipy import special

from benchmark.core.seeds import numpy_rng
from benchmark.results import power, statistics
from benchmark.storage.artifacts import write_text

PAGE = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"
RATES, ICCS, EPISODES = (0.02, 0.1, 0.5, 0.9), (0.0, 0.05, 0.2), (16, 50, 100)
RATE, COUNT, COVERAGE = "rate", "count", "coverage"
SHAPE = (1, 3)  # beta distribution of the coverage where there is any
AIMED = (0.93, 0.99)
CHEAP = 4  # so many comparisons are simulated for each interval: they take a fraction of its time
FEW = 10  # episodes of all seeds but the first, where numbers are unequal
UNREACHABLE = 0.9  # around 0.5: two rates that differ by more hardly vary

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """Scores of one row. `rate`: the share of successes, of tasks done (0 to 4), or of episodes with any coverage."""

    kind: str
    seeds: int
    episodes: int
    rate: float
    icc: float

    def mean(self, rate: np.ndarray | float) -> np.ndarray | float:
        return rate * (SHAPE[0] / sum(SHAPE) if self.kind == COVERAGE else 1.0)

    def correlation(self) -> float:
        """Of single successes, such that the scores' is `icc`."""
        if self.kind == COUNT:
            odds = self.icc / (1 - self.icc) / 4
            return odds / (1 + odds)
        if self.kind == COVERAGE:
            a, b = SHAPE
            ratio = (a + 1) / (a + b + 1) * (a + b) / a  # of the second moment to the squared mean
            return self.icc * (ratio - self.rate) / (1 - self.rate)
        return self.icc

    def draw(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Scores per seed, in 0 to 1, and what each trained network would score in the long run."""
        shape, size = self.correlation(), (self.seeds, self.episodes)
        rate = np.full(self.seeds, self.rate)
        if shape:
            rate = rng.beta(self.rate * (1 - shape) / shape, (1 - self.rate) * (1 - shape) / shape, self.seeds)
        scores = rng.binomial(4 if self.kind == COUNT else 1, rate[:, None], size) / (4 if self.kind == COUNT else 1)
        if self.kind == COVERAGE:
            scores = scores * rng.beta(*SHAPE, size)
        return list(scores), np.asarray(self.mean(rate))


# ------------------------------------------------------------------------------------------------------- what is measured


def coverage(setting: Setting, draws: int) -> Numbers:
    """Share of intervals that hold the mean of all networks, their width, the share that holds that of these networks; and
    share and width of Student's interval over seeds."""
    rng = numpy_rng("coverage", str(setting))
    truth = float(setting.mean(setting.rate))
    total = np.zeros(5)
    for _ in range(draws):
        scores, own = setting.draw(rng)
        interval = statistics.interval(scores, rng, bounds=(0, 1))
        low, high = student(scores)
        total += (
            interval.low <= truth <= interval.high,
            interval.high - interval.low,
            interval.low <= own.mean() <= interval.high,
            low <= truth <= high,
            high - low,
        )
    return tuple(total / draws)


def student(scores: Sequence[np.ndarray]) -> tuple[float, float]:
    """The textbook's interval, within the range of scores."""
    means = [group.mean() for group in scores]
    if len(means) < 2:
        return 0.0, 1.0
    half = special.stdtrit(len(means) - 1, 0.975) * np.std(means, ddof=1) / np.sqrt(len(means))
    return max(0.0, np.mean(means) - half), min(1.0, np.mean(means) + half)


def found(setting: Setting, draws: int, other: float | None = None) -> float:
    """How often a row is told from an independent one: of the same rate, or of another."""
    rng = numpy_rng("found", str(setting), str(other))
    theirs = setting if other is None else replace(setting, rate=other)
    pairs = (statistics.compare(setting.draw(rng)[0], theirs.draw(rng)[0], bounds=(0, 1)) for _ in range(draws))
    return sum(pair.significant() for pair in pairs) / draws


def found_of_unequal(setting: Setting, draws: int) -> float:
    """How often two rows of one rate are told apart, whose first seed has all episodes and the others a few."""
    rng = numpy_rng("unequal", str(setting))

    def row() -> list[np.ndarray]:
        first, *others = setting.draw(rng)[0]
        return [first, *(scores[:FEW] for scores in others)]

    return sum(statistics.compare(row(), row(), bounds=(0, 1)).significant() for _ in range(draws)) / draws


def promise(setting: Setting, draws: int) -> Numbers:
    """The minimum detectable difference around the setting's rate, and how often it is found."""
    size = 0.0
    for _ in range(30):  # the rows' variance depends on the difference, and the difference on the variance
        variance = setting.rate * (1 - setting.rate) - size**2 / 4  # on average of two rates that lie `size` apart
        rows = power.Components(setting.icc * variance, (1 - setting.icc) * variance)
        size = power.detectable(rows.of_difference(), setting.seeds, setting.episodes)
        if size > UNREACHABLE:
            return np.inf, np.nan
    return size, found(replace(setting, rate=setting.rate + size / 2), draws, setting.rate - size / 2)


# --------------------------------------------------------------------------------------------------------------- tables


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * 2 + ["---:"] * (len(heading) - 2)
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, rule, *rows)) + "\n"


def grid(kind: str, rates: Sequence[float], seeds: Sequence[int], show: Callable[[Setting], str]) -> str:
    """A row for each number of seeds and episodes, a column for each rate and correlation."""
    places = [(rate, icc) for rate in rates for icc in ICCS]
    return table(
        ["seeds", "episodes", *(f"{rate:g}, ICC {icc:g}" for rate, icc in places)],
        ([str(k), str(n), *(show(Setting(kind, k, n, rate, icc)) for rate, icc in places)] for k in seeds for n in EPISODES),
    )


def settings(kind: str, rates: Sequence[float], seeds: Sequence[int]) -> list[Setting]:
    return [Setting(kind, k, n, rate, icc) for k in seeds for n in EPISODES for rate in rates for icc in ICCS]


GRIDS = {RATE: RATES, COUNT: (0.1, 0.5), COVERAGE: (0.02, 0.1, 0.5)}
ALL, SEVERAL = (1, 2, 3, 5), (2, 3, 5)


def tables(draws: int, workers: int) -> dict[str, str]:
    """Marker -> what stands there."""
    cases = [setting for kind, rates in GRIDS.items() for setting in settings(kind, rates, ALL)]
    pairs, reach = settings(RATE, RATES, SEVERAL), settings(RATE, (0.5,), SEVERAL)
    uneven = [setting for setting in pairs if setting.episodes == max(EPISODES)]
    with Pool(workers) as pool:
        covered = dict(zip(cases, pool.map(partial(coverage, draws=draws), cases, 1), strict=True))
        null = dict(zip(pairs, pool.map(partial(found, draws=CHEAP * draws), pairs, 1), strict=True))
        unequal = max(pool.map(partial(found_of_unequal, draws=CHEAP * draws), uneven, 1))
        promised = dict(zip(reach, pool.map(partial(promise, draws=CHEAP * draws), reach, 1), strict=True))

    def held(setting: Setting) -> str:
        population, width, own, *_ = covered[setting]
        return f"{100 * (own if setting.seeds == 1 else population):.1f} ({width:.2f})"

    def kept(setting: Setting) -> str:
        size, chance = promised[setting]
        return f"{size:.2f}: {100 * chance:.0f} %" if np.isfinite(size) else "none"

    shown = {kind: grid(kind, rates, ALL, held) for kind, rates in GRIDS.items()}
    return {
        **shown,
        "student": _against_student(covered),
        "one_seed": grid(RATE, RATES, (1,), lambda setting: f"{100 * covered[setting][0]:.1f}"),
        "null": grid(RATE, RATES, SEVERAL, lambda setting: f"{100 * null[setting]:.1f}"),
        "unequal": f"With {max(EPISODES)} episodes of one seed and {FEW} of each other, at most {100 * unequal:.1f} %.\n",
        "power": grid(RATE, (0.5,), SEVERAL, kept),
        "range": _range(covered, null, promised, draws),
    }


def _against_student(covered: dict[Setting, Numbers]) -> str:
    lines = []
    for seeds in SEVERAL:
        for icc in ICCS:
            chosen = np.array([v for s, v in covered.items() if (s.kind, s.seeds, s.icc) == (RATE, seeds, icc)])
            spans = [f"{100 * chosen[:, i].min():.0f} to {100 * chosen[:, i].max():.0f}" for i in (0, 3)]
            widths = [f"{chosen[:, i].mean():.2f}" for i in (1, 4)]
            lines.append([str(seeds), f"{icc:g}", spans[0], widths[0], spans[1], widths[1]])
    return table(["seeds", "ICC", "covers", "mean width", "Student covers", "mean width"], lines)


def _range(covered: dict[Setting, Numbers], null: dict[Setting, float], promised: dict[Setting, Numbers], draws: int) -> str:
    shares = {setting: value[2 if setting.seeds == 1 else 0] for setting, value in covered.items()}
    outside = [sum(v < AIMED[0] for v in shares.values()), sum(v > AIMED[1] for v in shares.values())]
    steady = [v for s, v in shares.items() if s.icc > 0]
    chances = [chance for size, chance in promised.values() if np.isfinite(size)]
    low, high = AIMED
    return (
        f"{draws} data sets per setting: a share of 95 % has a standard error of {100 * np.sqrt(0.05 * 0.95 / draws):.1f} "
        f"points. Of {len(shares)} settings, {outside[0]} lie below {low:.0%} (the lowest {min(shares.values()):.1%}) and "
        f"{outside[1]} above {high:.0%}; with variance between seeds the coverage is {min(steady):.1%} to {max(steady):.1%}. "
        f"False positives, of {CHEAP * draws} pairs: at most {max(null.values()):.1%}. Minimum detectable differences are "
        f"found in {min(chances):.0%} to {max(chances):.0%}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000, help="data sets per setting (default: 1000)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    simulated = tables(options.draws, options.workers)
    page = PAGE.read_text()
    for name, text in simulated.items():
        page, count = re.subn(rf"(<!-- simulated {name} -->\n).*?(<!-- end -->)", rf"\g<1>{text}\g<2>", page, flags=re.S)
        if count != 1:
            raise SystemExit(f"{PAGE} has {count} markers for {name}")
    write_text(PAGE, page)


if __name__ == "__main__":
    main()
