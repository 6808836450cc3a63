"""The two frames that tables are made of, `records` (a row per episode) and `cells` (a row per cell), and the questions that
every table asks of them: which rows, which scores, what is missing, what does the caption have to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.seeds import numpy_rng
from benchmark.report.table import DASH, Kind, TableCell, estimate_cell
from benchmark.results import statistics
from benchmark.results.power import Components, components, detectable
from benchmark.results.published import ENVS
from benchmark.results.statistics import Comparison, Groups, Interval

FLOOR = "random"  # the method whose encoder is never trained
BUDGET_LIMITED = ("smoke", "quick")
STATISTICS = {"mean": statistics.mean, "iqm": statistics.iqm}
MEASURED = (  # columns that exist once a cell is done
    "frames_seen",
    "gradient_steps",
    "pretrain_params",
    "encoder_params",
    "encoder_gflops",
    "encoder_ms",
    "policy_ms",
    "pretrain_seconds",
    "wall_seconds",
    "feature_dim",
    *(FEATURES := ("effective_rank", "feature_std", "probe_linear", "probe_nn", "collapsed")),
)
GOALS = {
    "last": "Conditioned on the last observation of a held-out demonstration.",
    "future": "Trained with hindsight goals, conditioned on the last observation of a held-out demonstration.",
    "task": "Conditioned on the task of the episode.",
    "language": "Conditioned on a language embedding of the episode's task.",
}
FITTED = "Episodes start as the training demonstrations did: a test of fitting, not of generalising."
NOT_PLANNED = "not part of this run"


@dataclass(frozen=True)
class Options:
    """What a reader can choose about a table; each table uses what concerns it."""

    source: Literal["ours", "published", "both"] = "ours"
    env: str | None = None  # where a table shows one environment; default: the first
    policy: str | None = None  # where a table shows one policy; default: the first
    method: str = "dynamo"  # whose ablations and fine-tuning
    reference: str = FLOOR  # what `compare` compares with, as `method` or `method:variant`
    statistic: str = "mean"  # mean | iqm
    metric: str = "score"  # or another metric column of the records, as `metric/tasks_raw`
    holm: bool = False  # correct the p-values of `compare` for their number
    difference: float | None = None  # the difference that `power` has to resolve
    level: float = statistics.LEVEL
    draws: int = statistics.DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.source not in ("ours", "published", "both"):
            raise UnknownName("source", self.source, ("ours", "published", "both"))
        if self.statistic not in STATISTICS:
            raise UnknownName("statistic", self.statistic, STATISTICS)
        if not 0 < self.level < 1:
            raise BenchmarkError(f"level is a probability between 0 and 1, not {self.level}")
        if self.draws < 100:
            raise BenchmarkError(f"draws must be at least 100, not {self.draws}")


class RowId(NamedTuple):
    """A row of a table."""

    method: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> RowId:
        method, _, variant = text.partition(":")
        return cls(method, variant)

    def __str__(self) -> str:
        return f"{self.method}:{self.variant}" if self.variant else self.method


class Column(NamedTuple):
    """A column of scores: an environment under a policy."""

    env: str
    policy: str


def retrained(cells: pd.DataFrame) -> pd.Series:
    """The cells whose policy went on to train the encoder: what was probed and looked at before is not what acts."""
    symptom = (cells.variant == "tuned") | ((cells.gradient_steps == 0) & (cells.frames_seen > 0))
    if "tuned" not in cells:  # exports of earlier versions
        return symptom
    return cells.tuned.where(cells.tuned.notna(), symptom).astype(bool)


class ResultsView:
    """Records and cells with the options of a table."""

    def __init__(self, records: pd.DataFrame, cells: pd.DataFrame, options: Options):
        if cells.empty:
            raise BenchmarkError("there is nothing to show: the plan has no cells")
        records, cells = (frame.assign(variant=frame.variant.fillna("")) for frame in (records, cells))  # CSV has no ""
        measured = cells.reindex(columns=[*cells.columns, *(name for name in MEASURED if name not in cells)])
        measured[list(MEASURED)] = measured[list(MEASURED)].apply(pd.to_numeric)
        measured[list(FEATURES)] = measured[list(FEATURES)].astype(float).mask(retrained(measured))
        self.records, self.cells, self.options = records, measured, options
        if options.metric not in records and not records.empty:
            raise UnknownName("metric", options.metric, [c for c in records if c == "score" or str(c).startswith("metric/")])
        self._scores: dict[tuple[Column, RowId, str], list[np.ndarray]] = {}
        self._episodes = {
            (str(env), RowId(str(method), str(variant)), str(policy)): frame.sort_values(["seed", "episode"])
            for (env, method, variant, policy), frame in records.groupby(["env", "method", "variant", "policy"])
        }

    # ------------------------------------------------------------------------------------------------- rows and columns

    @cached_property
    def envs(self) -> list[str]:
        return list(dict.fromkeys(self.cells.env))

    @cached_property
    def policies(self) -> list[str]:
        return list(dict.fromkeys(self.cells.policy))

    @cached_property
    def places(self) -> list[Column]:
        """The columns that were planned."""
        planned = set(zip(self.cells.env, self.cells.policy, strict=True))
        return [Column(env, policy) for policy in self.policies for env in self.envs if (env, policy) in planned]

    @property
    def env(self) -> str:
        return self._chosen("environment", self.options.env, self.envs)

    @property
    def policy(self) -> str:
        return self._chosen("policy", self.options.policy, self.policies)

    def _chosen(self, kind: str, name: str | None, known: Sequence[str]) -> str:
        if name is not None and name not in known:
            raise UnknownName(f"{kind} in these results", name, known)
        return name or known[0]

    @cached_property
    def keys(self) -> list[RowId]:
        """All rows: the ceiling first, the floor last, the rest in the order of the cells."""
        found = dict.fromkeys(RowId(m, v) for m, v in zip(self.cells.method, self.cells.variant, strict=True))
        return sorted(found, key=lambda key: {"ceiling": 0, "floor": 2}.get(self.kind(key), 1))

    def kind(self, key: RowId) -> Kind:
        return "floor" if key == RowId(FLOOR) else "ceiling" if key.method in self._privileged else "row"

    @cached_property
    def _privileged(self) -> set[str]:
        return set(self.cells.method[self.cells.privileged.astype(bool)])

    def cell_rows(self, place: Column, key: RowId) -> pd.DataFrame:
        c = self.cells
        here = (c.env == place.env) & (c.policy == place.policy) & (c.method == key.method) & (c.variant == key.variant)
        return c[here].sort_values("seed")

    def done(self, place: Column, key: RowId) -> pd.DataFrame:
        """The cells of a row that have results, one per seed."""
        rows = self.cell_rows(place, key)
        return rows[rows.status == "done"]

    def bounds(self, env: str) -> tuple[float, float]:
        """What the shown metric can be: known for the score and for single tasks."""
        if self.options.metric.startswith("metric/task/"):
            return (0.0, 1.0)
        if self.options.metric != "score":
            return statistics.UNBOUNDED
        first = self.cells[self.cells.env == env].iloc[0]
        return (float(first.metric_low), float(first.metric_high))

    def env_name(self, env: str) -> str:
        return ENVS.get(env, env)

    def title(self, env: str) -> str:
        """`Franka Kitchen /4`, with the visual shift where there is one."""
        low, high = self.bounds(env)
        named = self.cells[self.cells.env == env].visual_shift.dropna()
        shifts = [str(shift) for shift in dict.fromkeys(named) if shift not in ("", "none", 0)]
        top = f" /{high:g}" if np.isfinite(high) and low == 0 else ""
        return f"{ENVS.get(env, env)}{top}{', shift ' + ' and '.join(shifts) if shifts else ''}"

    # ----------------------------------------------------------------------------------------------------------- scores

    def episodes(self, place: Column, key: RowId) -> pd.DataFrame:
        return self._episodes.get((place.env, key, place.policy), self.records.iloc[:0])

    def groups(self, place: Column, key: RowId, metric: str | None = None) -> list[np.ndarray]:
        """The scores of each training seed."""
        name = (place, key, metric or self.options.metric)
        if name not in self._scores:
            self._scores[name] = _by_seed(self.episodes(place, key), name[2])
        return self._scores[name]

    def paired(self, place: Column, a: RowId, b: RowId) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The scores of two rows on the episodes that both faced, in the same order."""
        on, metric = ["seed", "episode", "episode_seed"], self.options.metric
        both = self.episodes(place, a)[[*on, metric]].merge(self.episodes(place, b)[[*on, metric]], on=on)
        return _by_seed(both, f"{metric}_x"), _by_seed(both, f"{metric}_y")

    def rng(self, *purpose: str) -> np.random.Generator:
        """The generator of one number: it does not depend on which other rows are shown."""
        return numpy_rng("report", self.options.seed, *purpose)

    def interval(
        self, place: Column, key: RowId, metric: str | None = None, bounds: statistics.Bounds | None = None
    ) -> Interval:
        return statistics.interval(
            self.groups(place, key, metric),
            self.rng("interval", *place, *key),
            statistic=STATISTICS[self.options.statistic],
            bounds=bounds or self.bounds(place.env),
            level=self.options.level,
            draws=self.options.draws,
        )

    def compare(self, place: Column, a: RowId, b: RowId) -> Comparison | None:
        """Two rows on common episodes, or None where there are none."""
        ours, theirs = self.paired(place, a, b)
        if not ours:
            return None
        rng, options = self.rng("compare", *place, *a, *b), self.options
        return statistics.compare(ours, theirs, rng, bounds=self.bounds(place.env), level=options.level, draws=options.draws)

    # ---------------------------------------------------------------------------------------------- what must be said

    def remarks(self, place: Column, key: RowId) -> tuple[str, ...]:
        """Footnotes of a cell: what is absent and how to fix it, what crashed, what collapsed."""
        rows = self.cell_rows(place, key)
        if rows.empty:
            return (NOT_PLANNED,)
        undone = rows[rows.status != "done"]
        if len(undone) == len(rows):
            return tuple(dict.fromkeys(_reason(row) for row in undone.itertuples()))
        notes = [f"seed {row.seed} left out: {_reason(row)}" for row in undone.itertuples()]
        episodes = self.episodes(place, key)
        if crashed := int(episodes.crashed.sum()):
            notes.append(f"{crashed} of {len(episodes)} episodes crashed and count as the lowest score")
        notes += [
            f"seed {row.seed} collapsed: effective rank {row.effective_rank:.1f} of {row.feature_dim:.0f}"
            for row in rows[rows.collapsed.eq(True)].itertuples()
        ]
        return tuple(dict.fromkeys(notes))

    def score(self, place: Column, key: RowId, interval: Interval | None = None, *, strong: bool = False) -> TableCell:
        """The cell of a row: its interval (computed here unless it is known), or a dash."""
        if not self.groups(place, key):
            return self.dash(place, key)
        found = interval or self.interval(place, key)
        return estimate_cell(found.estimate, found.low, found.high, notes=self.remarks(place, key), strong=strong)

    def dash(self, place: Column, key: RowId) -> TableCell:
        """The cell of a row without scores."""
        return TableCell(DASH, notes=self.remarks(place, key) or (f"{self.options.metric} is not recorded here",))

    def protocol(self, places: Sequence[Column], *, rates: bool = False) -> str:
        """What a caption owes its reader: episodes, seeds, interval, checkpoint, demonstrations, preset. `rates`: all numbers
        of the table are success rates, whatever the score is."""
        sentences = [self._sample(env) for env in dict.fromkeys(place.env for place in places)]
        rows = [(groups, self.bounds(place.env)) for place in places for groups in self._all_groups(place)]
        what = "Mean" if self.options.statistic == "mean" else "Interquartile mean"
        sentences.append(
            f"{what} and {100 * self.options.level:g} % interval ({'Wilson' if rates else self._kind_of_interval(rows)})."
        )
        if rows and all(len(groups) == 1 for groups, _ in rows):
            sentences.append("One training seed: the intervals cover episodes only.")
        sentences.append(f"Checkpoint: {_listed(self.cells.checkpoint)}. Preset: {_listed(self.cells.preset)}.")
        return " ".join([*sentences, *self._unusual(), *self._limits(places)])

    def _unusual(self) -> list[str]:
        """What changes the meaning of the numbers, where it was asked for. Older records have no column for it."""
        goals = [goal for goal in dict.fromkeys(self.cells.get("goal", ())) if goal in GOALS]
        fitted = (self.cells.get("starts", pd.Series(dtype=str)) == "demonstrations").any()
        return [GOALS[goal] for goal in goals] + [FITTED] * bool(fitted)

    def _kind_of_interval(self, rows: Sequence[tuple[Groups, statistics.Bounds]]) -> str:
        rates = [self.options.statistic == "mean" and statistics.is_rate(groups, bounds) for groups, bounds in rows]
        names = ["Wilson"] * any(rates) + ["bootstrap over seeds and episodes with Student's quantiles"] * (not all(rates))
        return " for rates, ".join(names) or "none yet"

    def _sample(self, env: str) -> str:
        records, cells = self.records[self.records.env == env], self.cells[self.cells.env == env]
        counts = records.groupby(["method", "variant", "policy", "seed"]).size()
        seeds = records.groupby(["method", "variant", "policy"]).seed.nunique()
        size = f"{_span(counts, 'episode')} x {_span(seeds, 'seed')}" if len(counts) else "no episodes yet"
        metric = _listed(cells.metric) if self.options.metric == "score" else self.options.metric.removeprefix("metric/")
        return f"{ENVS.get(env, env)}: {metric}, {size}, demonstrations: {_listed(cells.demonstrations)}."

    def _limits(self, places: Sequence[Column]) -> list[str]:
        """On presets that are too small to rank methods: what difference they could show at all."""
        presets = [preset for preset in dict.fromkeys(self.cells.preset) if preset in BUDGET_LIMITED]
        if not presets:
            return []
        several = len({place.policy for place in places}) > 1
        reach = {place: self.resolution(place) for place in places}
        where = {place: ENVS.get(place.env, place.env) + f" with {place.policy}" * several for place in places}
        known = [f"{value:.2f} in {where[place]}" for place, value in reach.items() if value is not None]
        size = f" Two rows have to differ by about {', '.join(known)} to be told apart with 80 % power." if known else ""
        return [f"Budget-limited (preset {', '.join(presets)}): not a ranking of methods.{size}"]

    def variances(self, place: Column) -> Components | None:
        """Between seeds and between episodes, averaged over the rows of a column."""
        rows = self._all_groups(place)
        return components(rows) if any(len(group) > 1 for groups in rows for group in groups) else None

    def resolution(self, place: Column) -> float | None:
        """The smallest difference between two rows that this many seeds and episodes find in four of five cases.

        None where no score varies: then nobody can tell.
        """
        variances = self.variances(place)
        if variances is None:
            return None
        rows = self._all_groups(place)
        seeds, episodes = min(map(len, rows)), min(len(group) for groups in rows for group in groups)
        return detectable(variances.of_difference(), seeds, episodes, level=self.options.level) or None

    def agreement(self, place: Column) -> str:
        """Do training seeds rank the rows alike? Spearman's coefficient of their scores, averaged over pairs of seeds; empty
        where fewer than five rows have two seeds in common. The ceiling would agree with itself for other reasons."""
        rows = {key: self.episodes(place, key) for key in self.keys if self.kind(key) != "ceiling"}
        scores = pd.DataFrame({key: frame.groupby("seed")[self.options.metric].mean() for key, frame in rows.items()})
        scores = scores.T.dropna(thresh=2)  # a row of one seed has nothing to agree with
        present = scores.notna().to_numpy().astype(int)
        table = scores.corr("spearman", min_periods=statistics.MIN_ROWS).to_numpy()
        chosen = np.triu(~np.isnan(table), 1)
        pairs, rows_of_pairs = table[chosen], (present.T @ present)[chosen]
        if not len(pairs):
            return ""
        number = f"{pairs.mean():.2f}" + (f" (mean of {len(pairs)} pairs)" if len(pairs) > 1 else "")
        name = f"{ENVS.get(place.env, place.env)}, policy {place.policy}"
        return f"{name}: rank correlation of the scores of two training seeds {number} over {_span(rows_of_pairs, 'row')}."

    def _all_groups(self, place: Column) -> list[Groups]:
        return [groups for key in self.keys if (groups := self.groups(place, key))]


def _by_seed(frame: pd.DataFrame, metric: str) -> list[np.ndarray]:
    seeds, scores = frame.seed.to_numpy(), frame[metric].to_numpy(float)
    return [] if np.isnan(scores).all() else [scores[seeds == seed] for seed in np.unique(seeds)]


def _reason(row: Any) -> str:
    return f"{row.status}: {row.reason}" if isinstance(row.reason, str) and row.reason else str(row.status)


def _listed(values: pd.Series) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values.dropna())) or "unknown"


def _span(counts: pd.Series | np.ndarray, noun: str) -> str:
    few, many = int(counts.min()), int(counts.max())
    return f"{few if few == many else f'{few} to {many}'} {noun}{'s' * (many != 1)}"
