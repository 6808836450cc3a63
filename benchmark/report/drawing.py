"""How figures look, and the parts that they share. `encoded` gives the same bytes every time."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.results.view import RowKind

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
        _take_names_literally(figure)
        figure.savefig(out, format=kind, dpi=160, metadata=undated[kind])
    return out.getvalue()


def _take_names_literally(figure: Figure) -> None:
    """Two dollar signs in a name would make it a formula, or an error. Formulas are matplotlib's own: powers on a log scale."""
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis) if axis.get_scale() == "log"]
    powers = {id(label) for axis in axes for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        if isinstance(text, Text) and id(text) not in powers:
            text.set_parse_math(False)


def line(axes: Axes, rows: pd.DataFrame, x: str, colour: str, dash: str = "-", label: str = "") -> None:
    """A thin line per seed, a thick one for their mean."""
    for _, seed in rows.groupby("seed"):
        axes.plot(seed[x], seed.value, color=colour, lw=0.6, alpha=0.4)
    middle = rows.groupby(x).value.mean()
    axes.plot(middle.index, middle, color=colour, ls=dash, lw=1.6, label=label)


def first(frame: pd.DataFrame, column: str, noun: str) -> str:
    if frame.empty:
        raise BenchmarkError(f"there is no {noun} to draw")
    return str(frame[column].iloc[0])


def one_panel(width: float, height: float, entries: int = 0) -> tuple[Figure, Axes]:
    """One pair of axes, high enough for a legend of so many entries."""
    figure, (axes,) = panels(1, 1, width, max(height, 0.8 + 0.175 * entries))
    return figure, axes


def panels(down: int, across: int, width: float, height: float, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, list(figure.subplots(down, across, squeeze=False, sharey=sharey).flat)


def colour(kind: RowKind, index: int) -> str:
    """Of a row: those to compare with are grey."""
    return GREY if kind != "row" else COLOURS[index % len(COLOURS)]


def title(figure: Figure, text: str) -> None:
    """Above everything, so that a legend taller than the axes does not run into it."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=9)


def legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, handlelength=1.6, frameon=False)
