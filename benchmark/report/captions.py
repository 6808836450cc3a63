"""The sentences around numbers: what a caption owes its reader, and the footnotes of a cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.core.progress import count
from benchmark.results import quality, statistics
from benchmark.results.options import Column, RowId
from benchmark.results.power import POWER
from benchmark.results.published import Entry
from benchmark.results.quality import Absent, Condition, Span
from benchmark.results.versus_paper import Differences, Order
from benchmark.results.view import ResultsView

BUDGET_LIMITED = ("smoke", "quick")  # presets too small to rank methods
GOALS = {
    "last": "Conditioned on the last observation of a held-out demonstration.",
    "future": "Trained with hindsight goals, conditioned on the last observation of a held-out demonstration.",
    "task": "Conditioned on the task of the episode.",
    "language": "Conditioned on a language embedding of the episode's task.",
}
FITTED = "Episodes start as the training demonstrations did: a test of fitting, not of generalising."
MIXED = "Computed with different arithmetic ({}): equal settings give other numbers on each."
DEPARTURES = 4  # from the paper's recipe that a footnote names
NOT_PLANNED = "not part of this run"
BEYOND = "the minimum detectable difference is larger than the scale"
ONE_SEED = "one training seed: the interval covers episodes only, and says nothing of other seeds"
BEST = "Bold or *: the highest score and those not distinguishable from it in a paired comparison on common episodes."


def heading(view: ResultsView, env: str) -> str:
    """`Franka Kitchen /4`, with the visual shift where there is one."""
    low, high = view.bounds(env)
    top = f" /{high:g}" if np.isfinite(high) and low == 0 else ""
    return f"{view.env_title(env)}{top}{_shift(view, env)}"


def setting(view: ResultsView, column: Column) -> str:
    """`Franka Kitchen, VQ-BeT`, with the visual shift where there is one."""
    return f"{view.env_title(column.env)}, {view.policy_title(column.policy)}{_shift(view, column.env)}"


def _shift(view: ResultsView, env: str) -> str:
    shifts = view.shifts(env)
    return f", shift {' and '.join(shifts)}" if shifts else ""


def remarks(state: Condition, *, several: bool = False) -> tuple[str, ...]:
    """Footnotes of a cell: what is absent and how to fix it, what crashed, what collapsed. `several`: rows of the table have
    more than one training seed, so one that has not is marked."""
    if not state.planned:
        return (NOT_PLANNED,)
    if len(state.absent) == state.planned:
        return tuple(dict.fromkeys(map(_reason, state.absent)))
    left_out: dict[str, list[int]] = {}
    for absent in state.absent:
        left_out.setdefault(_reason(absent), []).append(absent.seed)
    notes = [f"{_seeds(seeds)} left out: {reason}" for reason, seeds in left_out.items()]
    if several and state.planned - len(state.absent) == 1:
        notes.append(ONE_SEED)
    elif state.others:
        notes.append(f"without {_seeds(state.others)}, which other rows have")
    if state.crashed:
        notes.append(f"{state.crashed} of {state.episodes} episodes crashed and count as the lowest score")
    notes += [f"seed {one.seed} collapsed: {one.reason}" for one in state.collapsed]
    notes += [f"seed {one.seed} learned nothing: {one.reason}" for one in state.not_learned]
    return tuple(dict.fromkeys(notes))


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    row = max(seeds) - min(seeds) + 1 == len(seeds) > 2
    return f"seeds {min(seeds)} to {max(seeds)}" if row else f"seeds {', '.join(map(str, seeds))}"


def _reason(absent: Absent) -> str:
    return f"{absent.status}: {absent.reason}" if absent.reason else absent.status


def protocol(view: ResultsView, columns: Sequence[Column], *, rates: bool = False) -> str:
    """Episodes, seeds, interval, checkpoint, demonstrations, preset. `rates`: all numbers of the table are success rates,
    whatever the score is."""
    sentences = [sample(view, env) for env in dict.fromkeys(column.env for column in columns)]
    rows = [(groups, view.bounds(column.env)) for column in columns for groups in view.all_groups(column)]
    what = "Mean" if view.options.statistic == "mean" else "Interquartile mean"
    kind = "beta-binomial" if rates else _kind_of_interval(view, rows)
    sentences.append(f"{what} and {100 * view.options.level:g} % interval ({kind}).")
    if rows and all(len(groups) == 1 for groups, _ in rows):
        sentences.append("One training seed: the intervals cover episodes only, and nothing is said about methods.")
    sentences.append(f"Checkpoint: {_listed(view, 'checkpoint')}. Preset: {_listed(view, 'preset')}.")
    return " ".join([*sentences, *_unusual(view), *_limits(view, () if rates else columns)])


def _listed(view: ResultsView, column: str) -> str:
    return ", ".join(quality.distinct(view.cells[column])) or "unknown"


def sample(view: ResultsView, env: str) -> str:
    """Score, episodes, seeds and demonstrations of an environment."""
    size_of = quality.sample(view, env)
    size = "no episodes yet"
    if size_of.episodes and size_of.seeds:
        size = f"{_span(size_of.episodes, 'episode')} x {_span(size_of.seeds, 'seed')}"
    metric = ", ".join(size_of.metrics) if view.options.metric == "score" else view.options.metric.removeprefix("metric/")
    demonstrations = ", ".join(size_of.demonstrations)
    return f"{view.env_title(env)}: {metric or 'unknown'}, {size}, demonstrations: {demonstrations or 'unknown'}."


def _span(span: Span, noun: str) -> str:
    return f"{counts(span)} {noun}{'s' * (span.high != 1)}"


def counts(span: Span) -> str:
    return str(span.low) if span.low == span.high else f"{span.low} to {span.high}"


def _kind_of_interval(view: ResultsView, rows: Sequence[tuple[statistics.Groups, statistics.Bounds]]) -> str:
    exact = {view.options.statistic == "mean" and statistics.is_bounded(bounds) for _, bounds in rows}
    names = ["beta-binomial"] * (True in exact) + ["bootstrap over seeds and episodes with Student's quantiles"] * (
        False in exact
    )
    return ", ".join(names) or "none yet"


def _unusual(view: ResultsView) -> list[str]:
    """What changes the meaning of the numbers, where it was chosen. Older records have no column for it."""
    goals = [goal for goal in dict.fromkeys(view.cells.get("goal", ())) if goal in GOALS]
    mixed = quality.mixed_arithmetic(view)
    fitted = (view.cells.get("starts", pd.Series(dtype=str)) == "demonstrations").any()
    return [GOALS[goal] for goal in goals] + [FITTED] * bool(fitted) + [MIXED.format(", ".join(mixed))] * bool(mixed)


def _limits(view: ResultsView, columns: Sequence[Column]) -> list[str]:
    """Presets that are too small to rank methods say so, and all what difference between two rows they could show."""
    presets = [preset for preset in dict.fromkeys(view.cells.preset) if preset.partition("+")[0] in BUDGET_LIMITED]
    several = len({column.policy for column in columns}) > 1
    sizes = []
    for column in dict.fromkeys(columns):
        if (size := quality.resolution(view, column)) is not None:
            shown = "larger than the scale" if size > reach(view, column) else f"{size:.2f}"
            sizes.append(f"{shown} in {view.env_title(column.env)}" + f" with {column.policy}" * several)
    return [
        *[f"Budget-limited (preset {', '.join(presets)}): not a ranking of methods."] * bool(presets),
        *[f"Minimum detectable difference {', '.join(sizes)} ({100 * POWER:g} % power)."] * bool(sizes),
    ]


def reach(view: ResultsView, column: Column) -> float:
    """The largest difference that two scores can have."""
    low, high = view.bounds(column.env)
    return high - low


def agreement(view: ResultsView, column: Column) -> str:
    """Whether training seeds rank the rows alike; empty where that cannot be said."""
    result = quality.agreement(view, column)
    if result is None:
        return ""
    number = f"{result.correlation:.2f}" + (f" (mean of {result.pairs} pairs)" if result.pairs > 1 else "")
    name = f"{view.env_title(column.env)}, policy {column.policy}"
    return f"{name}: rank correlation of the scores of two training seeds {number} over {_span(result.rows, 'row')}."


def networks(view: ResultsView, columns: Sequence[Column], rows: Sequence[RowId]) -> str:
    """In what rows differ besides how their encoders were trained; empty where fewer than two say what they are."""
    of_network = quality.networks(view, columns, rows)
    if sum(map(len, of_network.values())) < 2:
        return ""
    common = "Demonstrations, policy, probes and evaluation episodes are the same for all rows"
    if len(of_network) == 1:
        return f"{common}, and so is the network: {_network(next(iter(of_network)))}."
    each = "; ".join(f"{_network(network)}: {', '.join(map(str, rows))}" for network, rows in of_network.items())
    return f"{common}. The network is not: {each}."


def _network(network: Sequence[quality.Network]) -> str:
    return " or ".join(f"{one.description} ({count(one.parameters)} parameters)" for one in network)


# -------------------------------------------------------------------------------------------------- the published numbers


def not_comparable(why: Differences) -> str:
    """What keeps our number from being held against the published one."""
    reasons = []
    if why.policy:
        reasons.append("other policy ({}, published {})".format(*why.policy))
    if why.demonstrations:
        ours, theirs = why.demonstrations
        reasons.append(f"other demonstrations ({', '.join(ours)}; published {theirs})")
    reasons += why.recipe[:DEPARTURES]
    if (more := len(why.recipe) - DEPARTURES) > 0:
        reasons.append(f"{more} more settings")
    if why.other_metric:
        reasons.append("other metric or statistic")
    return f"not comparable: {'; '.join(reasons)}"


def error_unknown(entry: Entry) -> str:
    return f"published score: {entry.selection_rule}; its own error is not known"


def order(title: str, result: Order) -> str:
    """Whether ours rank the methods of a column as the paper does."""
    if result.correlation is None:
        return f"{title}: fewer than three rows in common with the published column."
    r = result.correlation
    between = f"{r.estimate:.2f} [{r.low:.2f}, {r.high:.2f}]"
    return f"{title}: rank correlation with the published column {between} over {result.rows} methods."
