"""Figures: what they draw, that the same frames give the same bytes, and that absent data is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer

from benchmark.errors import BenchmarkError, UnknownName
from benchmark.report import figures
from benchmark.report.frames import Options
from tests.report.made_up import make

FAST = Options(draws=200)


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
    figure = figures.probe_scatter(records, cells, FAST)
    assert legend(figure) == ["state", "byol", "dynamo", "dynamo:no_forward", "random"]
    assert "Spearman" in figure.axes[0].get_title(loc="left")
    assert "4 rows, ceiling left out" in figure.axes[0].get_title(loc="left")
    same = figures.probe_scatter(records, cells.assign(probe_linear=0.5), FAST)
    assert "Spearman undefined" in same.axes[0].get_title(loc="left")
    with pytest.raises(UnknownName):
        figures.probe_scatter(records, cells, FAST, probe="probe_cubic")
    with pytest.raises(BenchmarkError, match="has both a score"):
        figures.probe_scatter(records, cells.assign(probe_linear=np.nan), FAST)


def test_bars_are_the_rates_of_each_task():
    records, cells = make()
    figure = figures.task_bars(records, cells, FAST)
    bars = [c for c in figure.axes[0].containers if isinstance(c, BarContainer)]
    of_state = records[records.method == "state"]
    heights = [bar.get_height() for bar in bars[0]]
    assert heights == pytest.approx([of_state["metric/task/kettle"].mean(), of_state["metric/task/slide cabinet"].mean()])
    assert len(bars) == 5
    with pytest.raises(BenchmarkError, match="no results with single tasks"):
        figures.task_bars(records.iloc[:0], cells, FAST)


def test_curves_show_seeds_and_their_mean():
    figure = figures.learning_curves(curves())
    assert legend(figure) == ["byol", "dynamo"]
    assert len(figure.axes[0].lines) == 6
    np.testing.assert_allclose(figure.axes[0].lines[2].get_ydata(), 1 / (1 + np.arange(5)))
    with pytest.raises(UnknownName, match="did you mean loss"):
        figures.learning_curves(curves(), "los")
    with pytest.raises(BenchmarkError, match="no curve"):
        figures.learning_curves(curves().iloc[:0])


def test_spectrum_is_a_share_of_variance():
    drawn = figures.spectrum(spectra()).axes[0]
    assert drawn.lines[0].get_ydata().sum() == pytest.approx(1)
    assert (drawn.get_xscale(), drawn.get_yscale()) == ("log", "log")


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_frames_give_the_same_bytes(kind):
    first, second = (figures.encoded(figures.task_bars(*make(), FAST), kind) for _ in range(2))
    assert first == second
    assert len(first) > 5000
    with pytest.raises(UnknownName, match="figure format"):
        figures.encoded(figures.spectrum(spectra()), "gif")


def test_scores_stand_with_their_intervals():
    records, cells = make()
    drawn = figures.scores(records, cells, FAST).axes[0]
    assert [text.get_text() for text in drawn.get_yticklabels()] == ["state", "byol", "dynamo", "dynamo:no_forward", "random"]
    assert drawn.lines[0].get_xdata() == pytest.approx([records[records.method == "state"].score.mean()])
    assert drawn.get_xlim() == (0, 4)
    with pytest.raises(BenchmarkError, match="has a score"):
        figures.scores(records.iloc[:0], cells, FAST)
