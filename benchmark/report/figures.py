"""Figures from the same frames as the tables. Each function returns a Figure; `encoded` gives the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report.budgets import ordered, rows_of
from benchmark.report.images import Images
from benchmark.report.ledgers import count, task_columns
from benchmark.results import statistics
from benchmark.results.view import FLOOR, Column, Options, ResultsView, RowId

# Okabe and Ito's colours, told apart with any colour vision; markers and dashes carry on where they run out
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES = ("-", "--", ":", "-.")
GREY = "#666666"
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same text on every machine
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "svg.hashsalt": "benchmark",
    "svg.fonttype": "path",
}
PROBES = {
    "probe_linear": "held-out linear probe R²",
    "probe_nn": "held-out nearest-neighbour error",
    "effective_rank": "effective rank",
}


def encoded(figure: Figure, kind: str, source: str | None = None) -> bytes:
    """As svg, png or pdf, without dates and random identifiers. `source`, kept in the file, says what it was drawn from."""
    undated = {
        "svg": {"Date": None, "Source": source},
        "pdf": {"CreationDate": None, "Subject": source},
        "png": {"Software": None, "Source": source},
    }
    if kind not in undated:
        raise UnknownName("figure format", kind, undated)
    out = BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format=kind, dpi=160, metadata=undated[kind])
    return out.getvalue()


def scores(records: pd.DataFrame, cells: pd.DataFrame, options: Options | None = None) -> Figure:
    """Every row's score with its interval: what overlaps and what does not, at a glance."""
    frames = ResultsView(records, cells, options or Options())
    place = Column(frames.env, frames.policy)
    keys = [key for key in frames.keys if frames.groups(place, key)]
    if not keys:
        raise BenchmarkError(f"no row in {place.env} with policy {place.policy} has a score")
    figure, axes = _figure(5.2, 0.9 + 0.26 * len(keys))
    for at, key in enumerate(keys):
        score = frames.interval(place, key)
        error = [[score.estimate - score.low], [score.high - score.estimate]]
        colour = _colour(frames, key, 0)
        axes.errorbar(score.estimate, at, xerr=error, color=colour, marker="o", ms=5, ls="none", elinewidth=1.4, capsize=3)
    axes.set_yticks(range(len(keys)), [str(key) for key in keys])
    axes.invert_yaxis()
    low, high = frames.bounds(place.env)
    if np.isfinite(high - low):
        axes.set_xlim(low, high)
    axes.set_xlabel(f"score, {100 * frames.options.level:g} % interval")
    _title(figure, f"{frames.title(place.env)}, {place.policy}")
    axes.grid(axis="y", visible=False)
    return figure


def probe_scatter(
    records: pd.DataFrame, cells: pd.DataFrame, options: Options | None = None, probe: str = "probe_linear"
) -> Figure:
    """Does the cheap number predict the expensive one? Probe against score, a point per row, with Spearman's coefficient."""
    if probe not in PROBES:
        raise UnknownName("probe", probe, PROBES)
    frames = ResultsView(records, cells, options or Options())
    place = Column(frames.env, frames.policy)
    points = []
    for key in frames.keys:
        value = frames.done(place, key)[probe].mean()
        if frames.groups(place, key) and pd.notna(value):
            points.append((key, float(value), frames.interval(place, key)))
    if not points:
        raise BenchmarkError(f"no row in {place.env} with policy {place.policy} has both a score and {PROBES[probe]}")
    figure, axes = _figure(5.2, 3.6, entries=len(points))
    for index, (key, value, score) in enumerate(points):
        error = [[score.estimate - score.low], [score.high - score.estimate]]
        colour, marker = _colour(frames, key, index), MARKERS[index % len(MARKERS)]
        axes.errorbar(
            value,
            score.estimate,
            yerr=error,
            color=colour,
            marker=marker,
            ms=6,
            ls="none",
            elinewidth=1,
            capsize=2,
            label=str(key),
        )
    compared = [(value, score.estimate) for key, value, score in points if frames.kind(key) != "ceiling"]
    r = statistics.rank_correlation([x for x, _ in compared], [y for _, y in compared], frames.options.level)
    rho = f"{r.estimate:.2f} [{r.low:.2f}, {r.high:.2f}]" if np.isfinite(r.estimate) else "undefined"
    _title(figure, f"{frames.title(place.env)}, {place.policy}\nSpearman {rho} over {len(compared)} rows, ceiling left out")
    axes.set_xlabel(PROBES[probe])
    axes.set_ylabel(f"score, {100 * frames.options.level:g} % interval")
    _legend(axes)
    return figure


def task_bars(records: pd.DataFrame, cells: pd.DataFrame, options: Options | None = None) -> Figure:
    """Success rate of each task, a panel per task and a bar per row, with Wilson intervals."""
    frames = ResultsView(records, cells, options or Options())
    place = Column(frames.env, frames.policy)
    columns = task_columns(records, place.env)
    keys = [key for key in frames.keys if frames.groups(place, key)]
    if not columns or not keys:
        raise BenchmarkError(f"{place.env} has no results with single tasks to draw")
    figure, panels = _panels(1, len(columns), 1.0 + 1.1 * len(columns), 0.9 + 0.19 * len(keys), sharey=True)
    for axes, column in zip(panels, columns, strict=True):
        rates = [
            statistics.interval(
                frames.groups(place, key, column), frames.rng(column), bounds=(0, 1), level=frames.options.level
            )
            for key in keys
        ]
        lengths = [rate.estimate for rate in rates]
        error = [[rate.estimate - rate.low for rate in rates], [rate.high - rate.estimate for rate in rates]]
        colours = [_colour(frames, key, 0) for key in keys]
        axes.barh(range(len(keys)), lengths, xerr=error, color=colours, error_kw={"elinewidth": 0.8, "capsize": 1.5})
        axes.set_title(column.removeprefix("metric/task/").replace("_", " "), fontsize=8)
        axes.set_xlim(0, 1)
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(keys)), [str(key) for key in keys])
    panels[0].invert_yaxis()
    figure.supxlabel(f"success rate, {100 * frames.options.level:g} % interval", fontsize=9)
    _title(figure, f"{frames.title(place.env)}, {place.policy}")
    return figure


def learning_curves(curves: pd.DataFrame, name: str = "loss", env: str | None = None) -> Figure:
    """A named series over steps, a panel with a scale of its own per row: losses of different methods have nothing in common.

    A thin line per seed, a thick one for their mean. `curves` has the columns env, method, variant, seed, step, name, value.
    """
    env = env or _first(curves, "env", "curve")
    chosen = curves[(curves.env == env) & (curves.name == name)]
    if chosen.empty:
        raise UnknownName("curve", name, set(curves[curves.env == env].name))
    rows = list(chosen.groupby(["method", "variant"], sort=False))
    across = min(4, len(rows))
    down = -(-len(rows) // across)
    figure, panels = _panels(down, across, 1.8 * across + 0.4, 1.4 * down + 0.5)
    for axes, ((method, variant), of_row) in zip(panels, rows, strict=False):
        _line(axes, of_row, "step", COLOURS[0])
        axes.set_title(str(RowId(str(method), str(variant))), fontsize=8)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    figure.supxlabel("step", fontsize=9)
    figure.supylabel(name, fontsize=9)
    _title(figure, f"{env}: {name}, pretraining")
    return figure


def over_budgets(parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]], options: Options | None = None) -> Figure:
    """The linear probe after more and more frames of pretraining, a panel per trained row; dashed, what the floor has."""
    by_size = ordered(parts, options or Options())
    *_, largest = by_size.values()
    place = Column(largest.env, largest.policy)

    def points(key: RowId) -> pd.DataFrame:
        found = [frames.done(place, key).assign(frames=size) for size, frames in by_size.items()]
        return pd.concat(found).rename(columns={"probe_linear": "value"})[["frames", "seed", "value", "gradient_steps"]]

    lines = {key: points(key) for key in rows_of(by_size)}
    floor = lines.pop(RowId(FLOOR), pd.DataFrame({"value": []})).value.mean()
    lines = {key: line for key, line in lines.items() if (line.gradient_steps > 0).any()}
    across = min(6, len(lines))
    down = -(-len(lines) // across)
    figure, panels = _panels(down, across, 1.2 * across + 0.4, 1.1 * down + 0.5, sharey=True)
    for axes, (key, line) in zip(panels, lines.items(), strict=False):
        if not np.isnan(floor):
            axes.axhline(floor, color=GREY, ls="--", lw=0.8)
        _line(axes, line, "frames", COLOURS[0])
        axes.get_lines()[-1].set(marker="o", markersize=3)  # a row may have been measured after one budget only
        axes.set_xscale("log")
        axes.set_xlim(0.8 * min(by_size), 1.25 * max(by_size))
        axes.set_xticks(list(by_size), [count(size) for size in by_size])
        axes.minorticks_off()
        axes.set_title(str(key), fontsize=8)
    for axes in panels[len(lines) :]:
        axes.set_axis_off()
    figure.supxlabel("frames of pretraining", fontsize=9)
    figure.supylabel(PROBES["probe_linear"], fontsize=9)
    _title(figure, f"{largest.env_name(place.env)}; dashed: {FLOOR}")
    return figure


def spectrum(spectra: pd.DataFrame, env: str | None = None) -> Figure:
    """Eigenvalues of the feature covariance, each as a share of their sum: a collapse falls off a cliff.

    `spectra` has the columns env, method, variant, seed, index (from 1), value.
    """
    env = env or _first(spectra, "env", "spectrum")
    chosen = spectra[spectra.env == env].copy()
    chosen["value"] /= chosen.groupby(["method", "variant", "seed"]).value.transform("sum")
    rows = list(chosen.groupby(["method", "variant"], sort=False))
    figure, axes = _figure(5.2, 3.4, entries=len(rows))
    for index, ((method, variant), of_row) in enumerate(rows):
        dash = DASHES[index // len(COLOURS) % len(DASHES)]
        _line(axes, of_row, "index", COLOURS[index % len(COLOURS)], dash, str(RowId(str(method), str(variant))))
    axes.set(xscale="log", yscale="log", xlabel="component", ylabel="share of variance")
    axes.set_ylim(max(chosen.value.min(), 1e-6), 1)
    _title(figure, f"{env}: feature spectrum")
    _legend(axes)
    return figure


def contact_sheet(images: Images) -> Figure:
    """Held-out frames, and below each what a row of the table makes of it."""
    rows = {"held-out frame": images.queries, **images.answers}
    across = len(images.queries)
    figure, panels = _panels(len(rows), across, 7.2, 0.4 + 1.15 * len(rows))
    for number, (label, frames) in enumerate(rows.items()):
        line = panels[number * across :][:across]
        for axes, frame in zip(line, frames, strict=True):
            axes.imshow(frame, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def _line(axes: Axes, rows: pd.DataFrame, x: str, colour: str, dash: str = "-", label: str = "") -> None:
    """A thin line per seed, a thick one for their mean."""
    for _, seed in rows.groupby("seed"):
        axes.plot(seed[x], seed.value, color=colour, lw=0.6, alpha=0.4)
    middle = rows.groupby(x).value.mean()
    axes.plot(middle.index, middle, color=colour, ls=dash, lw=1.6, label=label)


def _first(frame: pd.DataFrame, column: str, noun: str) -> str:
    if frame.empty:
        raise BenchmarkError(f"there is no {noun} to draw")
    return str(frame[column].iloc[0])


def _figure(width: float, height: float, entries: int = 0) -> tuple[Figure, Axes]:
    """One pair of axes, high enough for a legend of so many entries."""
    figure, (axes,) = _panels(1, 1, width, max(height, 0.8 + 0.175 * entries))
    return figure, axes


def _panels(down: int, across: int, width: float, height: float, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, list(figure.subplots(down, across, squeeze=False, sharey=sharey).flat)


def _colour(frames: ResultsView, key: RowId, index: int) -> str:
    return GREY if frames.kind(key) != "row" else COLOURS[index % len(COLOURS)]


def _title(figure: Figure, text: str) -> None:
    """Above everything, so that a legend taller than the axes does not run into it."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=9)


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, handlelength=1.6, frameon=False)
