"""The tables beside the scores: cost and health of rows, single tasks, comparison, power, real trials, experts, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.progress import duration
from benchmark.report.table import DASH, Kind, Table, TableCell, TableColumn, TableRow, estimate_cell
from benchmark.results import statistics
from benchmark.results.power import POWER, detectable, episodes_needed
from benchmark.results.published import ENVS
from benchmark.results.view import Column, Options, ResultsView, RowId

SEEDS = (1, 2, 3, 5, 10)
EPISODES = (20, 50, 100, 200)

Budget = tuple[str, str, Callable[[float], str]]
BUDGET: tuple[Budget, ...] = (
    ("frames_seen", "Frames seen", lambda v: count(v)),
    ("gradient_steps", "Steps", lambda v: count(v)),
    ("pretrain_params", "Trained parameters", lambda v: count(v)),
    ("encoder_params", "Encoder parameters", lambda v: count(v)),
    ("encoder_gflops", "Encoder GFLOPs/image", lambda v: f"{v:.2f}"),
    ("encoder_ms", "Encoder ms/image", lambda v: f"{v:.2f}"),
    ("policy_ms", "Policy ms/step", lambda v: f"{v:.2f}"),
    ("pretrain_seconds", "Pretraining", duration),
    ("wall_seconds", "Wall time per seed", duration),
    ("effective_rank", "Effective rank", lambda v: f"{v:.1f}"),
    ("feature_dim", "of", lambda v: f"{v:.0f}"),
    ("feature_std", "Feature std", lambda v: f"{v:.3f}"),
    ("probe_linear", "Linear probe R²", lambda v: f"{v:.3f}"),
    ("probe_nn", "Nearest-neighbour error", lambda v: f"{v:.3f}"),
)


def count(value: float) -> str:
    """`640`, `12.8k`, `11.2M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def budget(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """What each row cost and what its features look like: means over seeds; in files with the range over seeds."""
    frames = ResultsView(records, cells, options)
    place = Column(frames.env, frames.policy)
    rows = []
    for key in frames.keys:
        done = frames.done(place, key)
        line = [over_seeds(done[column], text) for column, _, text in BUDGET]
        rows.append(TableRow(str(key), tuple(line), frames.kind(key), frames.remarks(place, key)))
    caption = (
        f"Cost and features in {frames.title(place.env)}, policy {place.policy}; means over seeds. Latency is per image and "
        f"per step on the machine that ran it. Probes predict the simulator state of held-out demonstrations; "
        f"features are those of frozen encoders. "
        f"Preset: {', '.join(dict.fromkeys(frames.cells.preset))}."
    )
    return Table("budget", caption, "Method", tuple(TableColumn(key, heading) for key, heading, _ in BUDGET), tuple(rows))


def over_seeds(values: pd.Series, text: Callable[[float], str]) -> TableCell:
    known = values.dropna()
    if known.empty:
        return TableCell(DASH)
    return TableCell(text(float(known.mean())), float(known.mean()), float(known.min()), float(known.max()))


def tasks(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """How often each task of an environment succeeds, methods x tasks."""
    frames = ResultsView(records, cells, options)
    place = Column(frames.env, frames.policy)
    columns = task_columns(records, place.env)
    if not columns:
        raise BenchmarkError(f"{place.env} records no single tasks (no metric/task/... in its episodes)")
    rows = []
    for key in frames.keys:
        line = [frames.dash(place, key)] * len(columns)
        if frames.groups(place, key):
            found = [
                statistics.interval(frames.groups(place, key, c), frames.rng(c), bounds=(0, 1), level=options.level)
                for c in columns
            ]
            line = [estimate_cell(interval.estimate, interval.low, interval.high) for interval in found]
        rows.append(
            TableRow(str(key), tuple(line), frames.kind(key), frames.remarks(place, key) if frames.groups(place, key) else ())
        )
    headings = tuple(TableColumn(c, c.removeprefix("metric/task/").replace("_", " ")) for c in columns)
    caption = (
        f"Success rate of each task in {frames.title(place.env)}, policy {place.policy}. {frames.protocol([place], rates=True)}"
    )
    return Table("tasks", caption, "Method", headings, tuple(rows))


def task_columns(records: pd.DataFrame, env: str) -> list[str]:
    """The metric columns that hold single tasks of an environment."""
    of_env = records[records.env == env]
    return [str(c) for c in records if str(c).startswith("metric/task/") and of_env[c].notna().any()]


def compare(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """Every row against one of them, on the episodes that both faced."""
    frames = ResultsView(records, cells, options)
    place, reference = Column(frames.env, frames.policy), RowId.parse(options.reference)
    known = [key for key in frames.keys if frames.groups(place, key)]
    if reference not in known:
        raise UnknownName("method with results", str(reference), [str(key) for key in known])
    found, wins = {}, {}
    for key in known:
        comparison = frames.compare(place, key, reference)
        if key != reference and comparison is not None:
            ours, theirs = frames.paired(place, key, reference)
            rng = frames.rng("improvement", *place, *key, *reference)
            found[key] = comparison
            wins[key] = statistics.improvement(ours, theirs, rng, level=options.level, draws=options.draws)
    p = [comparison.p for comparison in found.values()]
    corrected = dict(zip(found, statistics.holm(p) if options.holm else p, strict=True))
    groups = {str(key): frames.groups(place, key) for key in known}
    ranks = statistics.ranks([groups], frames.rng("ranks", *place), level=options.level, draws=options.draws)
    rows = []
    for key in frames.keys:
        line = [frames.score(place, key), *[TableCell(DASH)] * 4]
        if key in known:
            rank = ranks[str(key)]
            line[4] = estimate_cell(rank.estimate, rank.low, rank.high, digits=0)
        if key in found:
            gap, better = found[key].difference, wins[key]
            line[1] = estimate_cell(gap.estimate, gap.low, gap.high, sign=True)
            line[2] = TableCell(_p(corrected[key]), corrected[key])
            line[3] = estimate_cell(better.estimate, better.low, better.high)
        rows.append(TableRow(str(key), tuple(line), frames.kind(key)))
    columns = (
        TableColumn("score", frames.title(place.env)),
        TableColumn("difference", f"minus {reference}"),
        TableColumn("p", "p (Holm)" if options.holm else "p"),
        TableColumn("improvement", f"better than {reference}"),
        TableColumn("rank", "Rank"),
    )
    correction = f"corrected for {len(p)} comparisons" if options.holm else "not corrected for their number"
    caption = (
        f"Paired comparison with {reference} on common seeds and episodes, policy {place.policy}: difference, two-sided "
        f"p-value ({correction}), probability of doing better on an episode (ties count half), rank by the mean. "
        f"{frames.protocol([place])}"
    )
    return Table("compare", caption, "Method", columns, tuple(rows), tuple(filter(None, [frames.agreement(place)])))


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def power(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """What difference between two rows can be found with how many seeds and episodes, from the variances of these results."""
    if options.difference is not None and not options.difference > 0:
        raise BenchmarkError(f"--difference must be above zero, not {options.difference:g}: it is what you want to find")
    frames = ResultsView(records, cells, options)
    place = Column(frames.env, frames.policy)
    variances = frames.variances(place)
    if variances is None:
        raise BenchmarkError("power needs results with at least two episodes of a cell: run it first, or choose other rows")
    gap = variances.of_difference()
    rows = []
    for seeds in SEEDS:
        sizes = [detectable(gap, seeds, episodes, level=options.level) for episodes in EPISODES]
        line = [TableCell(f"{size:.2f}" if np.isfinite(size) else "∞", size) for size in sizes]
        if options.difference is not None:
            needed = episodes_needed(options.difference, gap, seeds, level=options.level)
            line.append(
                TableCell(DASH, notes=("no number of episodes does: take more seeds",))
                if needed is None
                else TableCell(str(needed), needed)
            )
        notes = ("about these two trained networks only: one seed says nothing of others",) if seeds == 1 else ()
        rows.append(TableRow(str(seeds), tuple(line), notes=notes))
    columns = [TableColumn(f"episodes_{episodes}", f"{episodes} episodes") for episodes in EPISODES]
    if options.difference is not None:
        columns.append(TableColumn("episodes_needed", f"episodes for {options.difference:g}"))
    several = any(len(frames.groups(place, key)) > 1 for key in frames.keys)
    between = (
        f"{variances.between:.3g}" if several else "unknown (one seed) and taken as 0, so more seeds look better than they are"
    )
    caption = (
        f"{frames.title(place.env)}, policy {place.policy}: the smallest difference between two rows that is found with "
        f"{100 * POWER:g} % power at level {1 - options.level:.2g}, episodes per seed. Variance of a score between episodes "
        f"{variances.within:.3g}, between seeds {between}; averaged over rows, which are taken as independent."
    )
    return Table("power", caption, "Seeds", tuple(columns), tuple(rows))


def real(trials: pd.DataFrame, options: Options | None = None) -> Table:
    """Successes of real robots, tasks x methods with Wilson intervals and totals.

    `trials` has the columns task, method, successes, trials, as a person enters them in a CSV. A column robot gives a total
    per robot.
    """
    options = options or Options()
    absent = [name for name in ("task", "method", "successes", "trials") if name not in trials]
    if absent:
        raise BenchmarkError(f"real trials lack the column {', '.join(absent)}; needed are task, method, successes, trials")
    if trials.empty:
        raise BenchmarkError("there are no real trials: enter a line per task and method")
    counts = trials[["successes", "trials"]].apply(pd.to_numeric, errors="coerce")
    wrong = trials[~((counts.successes >= 0) & (counts.successes <= counts.trials) & (counts.trials > 0))]
    if not wrong.empty:
        line = wrong.iloc[0]
        raise BenchmarkError(f"{line.method} on {line.task}: {line.successes} successes in {line.trials} trials cannot be")
    trials = trials.assign(successes=counts.successes, trials=counts.trials)
    methods = list(dict.fromkeys(trials.method))

    def row(label: str, part: pd.DataFrame, kind: Kind) -> TableRow:
        sums = part.groupby("method")[["successes", "trials"]].sum()
        return TableRow(
            label,
            tuple(
                _rate(sums.successes[m], sums.trials[m], options.level) if m in sums.index else TableCell(DASH) for m in methods
            ),
            kind,
        )

    rows = []
    robots = trials.robot if "robot" in trials else pd.Series("", index=trials.index)
    for robot, part in trials.groupby(robots, sort=False):
        rows += [row(str(task), of_task, "row") for task, of_task in part.groupby("task", sort=False)]
        rows.append(row(f"{robot} total".strip(), part, "total"))
    caption = (
        f"Real trials: successes, and {100 * options.level:g} % Wilson interval of the rate. Totals pool tasks; they hold for "
        "this mix of tasks."
    )
    return Table("real", caption, "Task", tuple(TableColumn(m, m) for m in methods), tuple(rows))


def experts(episodes: pd.DataFrame) -> Table:
    """What the scripted demonstrators reach: per environment, and per task where an episode asks for one.

    `episodes` has the columns env, metric, target, task, steps and score, one line per seed.
    """

    def row(label: str, part: pd.DataFrame, kind: Kind) -> TableRow:
        reached = _rate((part.score >= part.target).sum(), len(part), Options().level)
        scores = f"{part.score.mean():.2f} / {part.score.min():.2f}"
        return TableRow(
            label,
            (reached, TableCell(scores, part.score.mean()), TableCell(f"{part.steps.mean():.0f}", part.steps.mean())),
            kind,
        )

    rows = []
    for env, part in episodes.groupby("env"):
        target = f"{part.metric.iloc[0]} at least {part.target.iloc[0]:g}"
        rows.append(row(f"{ENVS.get(str(env), env)}: {target}", part, "total"))
        rows += [row(str(task).replace("_", " "), of_task, "row") for task, of_task in part.groupby("task")]
    columns = (
        TableColumn("reached", "Seeds that reach it"),
        TableColumn("score", "Mean / lowest score"),
        TableColumn("steps", "Mean steps"),
    )
    caption = "Scripted demonstrators, with their own noise, on seeds used nowhere else; 95 % Wilson intervals."
    return Table("experts", caption, "Environment", columns, tuple(rows))


def _rate(successes: float, trials: float, level: float) -> TableCell:
    found = statistics.wilson(successes, trials, level)
    text = f"{successes:g}/{trials:g} [{found.low:.2f}, {found.high:.2f}]"
    return TableCell(text, found.estimate, found.low, found.high)


def hyperparameters(settings: Mapping[str, Mapping[str, Any]], caption: str = "Settings.") -> Table:
    """Fields x columns (methods, environments or policies) from nested mappings; a dash where a column has no such field."""
    fields = list(dict.fromkeys(name for values in settings.values() for name in values))
    rows = []
    for name in fields:
        line = [_setting(values[name]) if name in values else TableCell(DASH) for values in settings.values()]
        rows.append(TableRow(name, tuple(line)))
    return Table("hyperparameters", caption, "Setting", tuple(TableColumn(name, name) for name in settings), tuple(rows))


def _setting(value: Any) -> TableCell:
    if isinstance(value, bool) or value is None:
        return TableCell({True: "yes", False: "no", None: "none"}[value])
    if isinstance(value, int | float):
        return TableCell(f"{value:g}" if isinstance(value, float) else str(value), float(value))
    return TableCell(
        ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
        if isinstance(value, list | tuple)
        else str(value)
    )


TABLES: dict[str, Callable[[pd.DataFrame, pd.DataFrame, Options], Table]] = {
    "budget": budget,
    "tasks": tasks,
    "compare": compare,
}
