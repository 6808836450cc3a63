"""Figures: what they draw, that the same frames give the same bytes, and that absent data is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report import drawing, figures
from tests.fake_results import make, view_of

FAST = {"draws": 200}


def curves():
    rows = [
        {"env": "kitchen", "method": method, "variant": "", "seed": seed, "step": step, "name": "loss", "value": 1 / (1 + step)}
        for method in ("byol", "dynamo")
        for seed in range(2)
        for step in range(5)
    ]
    return pd.DataFrame(rows)


def spectra():
    frame = curves().rename(columns={"step": "index"})
    return frame.assign(index=frame["index"] + 1)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_scatter_has_a_point_per_row_and_the_correlation():
    records, cells = make()
    cells["probe_linear"] = cells.method.map({"state": 0.9, "byol": 0.5, "dynamo": 0.6, "random": 0.4})
    figure = figures.probe_scatter(view_of(records, cells, **FAST))
    assert legend(figure) == ["state", "byol", "dynamo", "dynamo:no_forward", "random"]
    assert "Spearman" in figure.get_suptitle()
    view = view_of(records, cells, **FAST)
    ends = [[score.low, score.high] for row in view.rows if (score := view.interval(view.column, row))]
    np.testing.assert_allclose([bar.get_segments()[0][:, 1] for bar in figure.axes[0].collections], ends)
    assert "4 rows, ceiling left out" in figure.get_suptitle()
    same = figures.probe_scatter(view_of(records, cells.assign(probe_linear=0.5), **FAST))
    assert "Spearman undefined" in same.get_suptitle()
    with pytest.raises(UnknownName):
        figures.probe_scatter(view_of(records, cells, **FAST), probe="probe_cubic")
    with pytest.raises(BenchmarkError, match="has both a score"):
        figures.probe_scatter(view_of(records, cells.assign(probe_linear=np.nan), **FAST))


def test_bars_are_the_rates_of_each_task():
    records, cells = make()
    view = view_of(records, cells, **FAST)
    figure = figures.task_bars(view)
    of_state = records[records.method == "state"]
    for axes, task in zip(figure.axes, ("kettle", "slide cabinet"), strict=True):
        (bars,) = [c for c in axes.containers if isinstance(c, BarContainer)]
        assert axes.get_title() == task
        assert len(bars) == 5
        assert bars[0].get_width() == pytest.approx(of_state[f"metric/task/{task}"].mean())
        rate = view.task_rate(view.column, view.rows[0], f"metric/task/{task}")
        assert tuple(axes.collections[0].get_segments()[0][:, 0]) == pytest.approx((rate.low, rate.high))
    assert next(text.get_text() for text in figure.axes[0].get_yticklabels()) == "state"
    with pytest.raises(BenchmarkError, match="no results with single tasks"):
        figures.task_bars(view_of(records.iloc[:0], cells, **FAST))


def test_curves_show_seeds_and_their_mean_each_row_on_its_own_scale():
    figure = figures.learning_curves(curves())
    byol, dynamo = figure.axes
    assert [byol.get_title(), dynamo.get_title()] == ["byol", "dynamo"]
    assert len(byol.lines) == 3
    np.testing.assert_allclose(byol.lines[2].get_ydata(), 1 / (1 + np.arange(5)))
    assert not byol.get_shared_y_axes().joined(byol, dynamo)
    with pytest.raises(UnknownName, match="did you mean loss"):
        figures.learning_curves(curves(), "los")
    with pytest.raises(BenchmarkError, match="no curve"):
        figures.learning_curves(curves().iloc[:0])


def test_a_legend_of_many_rows_fits_into_the_figure():
    many = pd.concat([spectra().assign(method=f"method_{number}") for number in range(24)])
    figure = figures.spectrum(many)
    figure.canvas.draw()
    box, whole = figure.axes[0].get_legend().get_window_extent(), figure.bbox
    assert 0 <= box.y0 < box.y1 <= whole.y1


def test_lines_differ_in_colour_and_dash_from_their_neighbours_and_in_one_from_all():
    looks = [(drawing.COLOURS[index % len(drawing.COLOURS)], drawing.dash(index)) for index in range(24)]
    assert len(set(looks)) == len(looks)
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(looks))


def test_spectrum_is_a_share_of_variance():
    drawn = figures.spectrum(spectra()).axes[0]
    assert drawn.lines[0].get_ydata().sum() == pytest.approx(1)
    assert (drawn.get_xscale(), drawn.get_yscale()) == ("log", "log")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_results_give_the_same_bytes(kind):
    first, second = (drawing.encoded(figures.task_bars(view_of(*make(), **FAST)), kind) for _ in range(2))
    assert first == second
    assert len(first) > 5000
    with pytest.raises(UnknownName, match="figure format"):
        drawing.encoded(figures.spectrum(spectra()), "gif")


def test_scores_stand_with_their_intervals():
    records, cells = make()
    drawn = figures.scores(view_of(records, cells, **FAST)).axes[0]
    assert [text.get_text() for text in drawn.get_yticklabels()] == ["state", "byol", "dynamo", "dynamo:no_forward", "random"]
    assert drawn.lines[0].get_xdata() == pytest.approx([records[records.method == "state"].score.mean()])
    assert drawn.get_xlim() == (0, 4)
    view = view_of(records, cells, **FAST)
    ends = [[score.low, score.high] for row in view.rows if (score := view.interval(view.column, row))]
    np.testing.assert_allclose([bar.get_segments()[0][:, 0] for bar in drawn.collections], ends)
    with pytest.raises(BenchmarkError, match="has a score"):
        figures.scores(view_of(records.iloc[:0], cells, **FAST))
