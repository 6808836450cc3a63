"""Figures from the same results as the tables. Each function returns a Figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.progress import count
from benchmark.report import drawing
from benchmark.report.captions import heading
from benchmark.report.drawing import COLOURS, GREY, MARKERS
from benchmark.report.images import Images
from benchmark.results import statistics
from benchmark.results.budgets import by_budget, rows_of
from benchmark.results.options import RowId
from benchmark.results.view import TASK, ResultsView

PROBES = {
    "probe_linear": "held-out linear probe R²",
    "probe_nn": "held-out nearest-neighbour error",
    "effective_rank": "effective rank",
}


def scores(view: ResultsView) -> Figure:
    """Every row's score with its interval: what overlaps and what does not, at a glance."""
    column = view.column
    intervals = {row: score for row in view.rows if (score := view.interval(column, row))}
    if not intervals:
        raise BenchmarkError(f"no row in {column.env} with policy {column.policy} has a score")
    figure, axes = drawing.one_panel(5.2, 0.9 + 0.26 * len(intervals))
    for at, (row, score) in enumerate(intervals.items()):
        error = [[score.estimate - score.low], [score.high - score.estimate]]
        colour = drawing.colour(view.kind(row), 0)
        axes.errorbar(score.estimate, at, xerr=error, color=colour, marker="o", ms=5, ls="none", elinewidth=1.4, capsize=3)
    axes.set_yticks(range(len(intervals)), [str(row) for row in intervals])
    axes.invert_yaxis()
    low, high = view.bounds(column.env)
    if np.isfinite(high - low):
        axes.set_xlim(low, high)
    axes.set_xlabel(f"score, {100 * view.options.level:g} % interval")
    drawing.title(figure, f"{heading(view, column.env)}, {column.policy}")
    axes.grid(axis="y", visible=False)
    return figure


def probe_scatter(view: ResultsView, probe: str = "probe_linear") -> Figure:
    """Does the cheap number predict the expensive one? Probe against score, a point per row, with Spearman's coefficient."""
    if probe not in PROBES:
        raise UnknownName("probe", probe, PROBES)
    column = view.column
    points = []
    for row in view.rows:
        value, score = view.done(column, row)[probe].mean(), view.interval(column, row)
        if score is not None and pd.notna(value):
            points.append((row, float(value), score))
    if not points:
        raise BenchmarkError(f"no row in {column.env} with policy {column.policy} has both a score and {PROBES[probe]}")
    figure, axes = drawing.one_panel(5.2, 3.6, entries=len(points))
    for index, (row, value, score) in enumerate(points):
        error = [[score.estimate - score.low], [score.high - score.estimate]]
        axes.errorbar(
            value,
            score.estimate,
            yerr=error,
            color=drawing.colour(view.kind(row), index),
            marker=MARKERS[index % len(MARKERS)],
            ms=6,
            ls="none",
            elinewidth=1,
            capsize=2,
            label=str(row),
        )
    compared = [(value, score.estimate) for row, value, score in points if view.kind(row) != "ceiling"]
    r = statistics.rank_correlation([x for x, _ in compared], [y for _, y in compared], view.options.level)
    rho = f"{r.estimate:.2f} [{r.low:.2f}, {r.high:.2f}]" if np.isfinite(r.estimate) else "undefined"
    where = f"{heading(view, column.env)}, {column.policy}"
    drawing.title(figure, f"{where}\nSpearman {rho} over {len(compared)} rows, ceiling left out")
    axes.set_xlabel(PROBES[probe])
    axes.set_ylabel(f"score, {100 * view.options.level:g} % interval")
    drawing.legend(axes)
    return figure


def task_bars(view: ResultsView) -> Figure:
    """Success rate of each task, a panel per task and a bar per row, with intervals."""
    column = view.column
    metrics = view.task_metrics(column.env)
    rows = [row for row in view.rows if view.groups(column, row)]
    if not metrics or not rows:
        raise BenchmarkError(f"{column.env} has no results with single tasks to draw")
    figure, panels = drawing.panels(1, len(metrics), 1.0 + 1.1 * len(metrics), 0.9 + 0.19 * len(rows), sharey=True)
    for axes, metric in zip(panels, metrics, strict=True):
        rates = [(at, rate) for at, row in enumerate(rows) if (rate := view.task_rate(column, row, metric))]
        places, lengths = [at for at, _ in rates], [rate.estimate for _, rate in rates]
        error = [[rate.estimate - rate.low for _, rate in rates], [rate.high - rate.estimate for _, rate in rates]]
        colours = [drawing.colour(view.kind(rows[at]), 0) for at in places]
        axes.barh(places, lengths, xerr=error, color=colours, error_kw={"elinewidth": 0.8, "capsize": 1.5})
        axes.set_title(metric.removeprefix(TASK).replace("_", " "), fontsize=8)
        axes.set_xlim(0, 1)
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(rows)), [str(row) for row in rows])
    panels[0].invert_yaxis()
    figure.supxlabel(f"success rate, {100 * view.options.level:g} % interval", fontsize=9)
    drawing.title(figure, f"{heading(view, column.env)}, {column.policy}")
    return figure


def learning_curves(curves: pd.DataFrame, name: str = "loss", env: str | None = None) -> Figure:
    """A named series over steps, a panel with a scale of its own per row: losses of different methods have nothing in common.

    A thin line per seed, a thick one for their mean. `curves` has the columns env, method, variant, seed, step, name, value.
    """
    env = env or drawing.first(curves, "env", "curve")
    chosen = curves[(curves.env == env) & (curves.name == name)]
    if chosen.empty:
        raise UnknownName("curve", name, set(curves[curves.env == env].name))
    rows = list(chosen.groupby(["method", "variant"], sort=False))
    across = min(4, len(rows))
    down = -(-len(rows) // across)
    figure, panels = drawing.panels(down, across, 1.8 * across + 0.4, 1.4 * down + 0.5)
    for axes, ((method, variant), of_row) in zip(panels, rows, strict=False):
        drawing.line(axes, of_row, "step", COLOURS[0])
        axes.set_title(str(RowId(str(method), str(variant))), fontsize=8)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    figure.supxlabel("step", fontsize=9)
    figure.supylabel(name, fontsize=9)
    drawing.title(figure, f"{env}: {name}, pretraining")
    return figure


def over_budgets(views: Sequence[ResultsView]) -> Figure:
    """The linear probe after more and more frames of pretraining, a panel per trained row; dashed, what the floor has."""
    budgets = by_budget(views)
    largest = budgets[max(budgets)]

    def points(row: RowId) -> pd.DataFrame:
        cells = pd.concat([view.done(largest.column, row).assign(frames=size) for size, view in budgets.items()])
        return cells.rename(columns={"probe_linear": "value"})[["frames", "seed", "value", "gradient_steps"]]

    lines = {row: points(row) for row in rows_of(budgets)}
    floor = lines.pop(largest.floor).value.mean() if largest.floor else np.nan
    lines = {row: line for row, line in lines.items() if (line.gradient_steps > 0).any()}
    across = min(6, len(lines))
    down = -(-len(lines) // across)
    figure, panels = drawing.panels(down, across, 1.2 * across + 0.4, 1.1 * down + 0.5, sharey=True)
    for axes, (row, line) in zip(panels, lines.items(), strict=False):
        if not np.isnan(floor):
            axes.axhline(floor, color=GREY, ls="--", lw=0.8)
        drawing.line(axes, line, "frames", COLOURS[0])
        axes.get_lines()[-1].set(marker="o", markersize=3)  # a row may have been measured after one budget only
        axes.set_xscale("log")
        axes.set_xlim(0.8 * min(budgets), 1.25 * max(budgets))
        axes.set_xticks(list(budgets), [count(size) for size in budgets])
        axes.minorticks_off()
        axes.set_title(str(row), fontsize=8)
    for axes in panels[len(lines) :]:
        axes.set_axis_off()
    figure.supxlabel("frames of pretraining", fontsize=9)
    figure.supylabel(PROBES["probe_linear"], fontsize=9)
    drawing.title(figure, largest.env_title(largest.env) + (f"; dashed: {largest.floor}" if largest.floor else ""))
    return figure


def spectrum(spectra: pd.DataFrame, env: str | None = None) -> Figure:
    """Eigenvalues of the feature covariance, each as a share of the sum of those given: a collapse falls off a cliff.

    `spectra` has the columns env, method, variant, seed, index (from 1), value.
    """
    env = env or drawing.first(spectra, "env", "spectrum")
    chosen = spectra[spectra.env == env].copy()
    chosen["value"] /= chosen.groupby(["method", "variant", "seed"]).value.transform("sum")
    rows = list(chosen.groupby(["method", "variant"], sort=False))
    figure, axes = drawing.one_panel(5.2, 3.4, entries=len(rows))
    for index, ((method, variant), of_row) in enumerate(rows):
        drawing.line(
            axes, of_row, "index", COLOURS[index % len(COLOURS)], drawing.dash(index), str(RowId(str(method), str(variant)))
        )
    axes.set(xscale="log", yscale="log", xlabel="component", ylabel="share of variance")
    axes.set_ylim(max(chosen.value.min(), 1e-6), 1)
    drawing.title(figure, f"{env}: feature spectrum")
    drawing.legend(axes)
    return figure


def contact_sheet(images: Images) -> Figure:
    """Held-out frames, and below each what a row of the table makes of it."""
    rows = {"held-out frame": images.queries, **images.answers}
    across = len(images.queries)
    figure, panels = drawing.panels(len(rows), across, 7.2, 0.4 + 1.15 * len(rows))
    for number, (label, frames) in enumerate(rows.items()):
        line = panels[number * across :][:across]
        for axes, frame in zip(line, frames, strict=True):
            axes.imshow(frame, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure
