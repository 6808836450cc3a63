"""An episode that no training saw: frames of it, and below them what was done and what policies would have done, step by step.

The policies see what was recorded at every step, whatever they answered before (stages/open_loop.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark.report import drawing

FRAMES = 10  # at most
WIDTH, PANEL = 9.0, 0.95  # inches: of the figure, and the height of one dimension's curves
MARGIN = 1.5  # inches beside the curves: names and the legend


@dataclass(frozen=True)
class Demo:
    """A held-out episode. Actions of a mixture are in units that were recorded, with a gripper open at 1 and closed at -1."""

    env: str
    data_set: str
    title: str
    units: str
    frames: np.ndarray  # (S, V, H, W, 3) uint8: equally spaced in time
    dims: tuple[str, ...]
    recorded: np.ndarray  # (T, D)
    predicted: Mapping[str, np.ndarray]  # row of the table -> (T, D)

    @property
    def words(self) -> str:
        rows = ", ".join(self.predicted)
        return (
            f"{self.title}. Frames of {len(self.recorded)} steps; below them {', '.join(self.dims)} as recorded and of {rows}."
        )


def figure(demo: Demo) -> Figure:
    """Frames and curves have the same time from left to right."""
    steps, views = len(demo.recorded), demo.frames.shape[1]
    shown = min(FRAMES, len(demo.frames))
    strip = (WIDTH - MARGIN) / shown  # the side of a frame
    heights = [strip * views, *[PANEL] * len(demo.dims)]
    with mpl.rc_context(drawing.STYLE):
        drawn = Figure(figsize=(WIDTH, sum(heights) + 0.9), layout="constrained")
        FigureCanvasAgg(drawn)
        axes = list(drawn.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights).flat)
        axes[0].imshow(_filmstrip(demo.frames, shown), extent=(0, steps, 0, 1), aspect="auto", interpolation="nearest")
        axes[0].set(yticks=[])
        axes[0].grid(False)
        axes[0].spines[:].set_visible(False)
        axes[0].tick_params(bottom=False)
        edges = np.arange(steps + 1)
        for dim, (name, panel) in enumerate(zip(demo.dims, axes[1:], strict=True)):
            panel.stairs(demo.recorded[:, dim], edges, baseline=None, color="black", lw=1.8, label="recorded")
            for index, (row, actions) in enumerate(demo.predicted.items()):
                colour = drawing.COLOURS[index % len(drawing.COLOURS)]
                panel.stairs(actions[:, dim], edges, baseline=None, color=colour, lw=1.1, ls=drawing.dash(index), label=row)
            panel.set_ylabel(name, rotation=0, ha="right", va="center")
            panel.margins(x=0)
        axes[-1].set_xlabel(f"step; units: {demo.units}")
        handles, labels = axes[1].get_legend_handles_labels()
        drawn.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), fontsize=8, frameon=False)
        drawing.title(drawn, demo.title)
    return drawn


def _filmstrip(frames: np.ndarray, shown: int) -> np.ndarray:
    """(H * V, W * shown, 3): from the middle of equal spans of time, views below each other."""
    chosen = ((np.arange(shown) + 0.5) * len(frames) / shown).astype(int)
    return np.concatenate([np.concatenate(list(view), axis=1) for view in np.moveaxis(frames[chosen], 1, 0)], axis=0)
