"""Images of what encoders make of held-out frames, drawn from the arrays of `stages/visualize.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from scipy import ndimage

from benchmark.report.demo import Demo
from benchmark.stages.visualize import Visualization

TITLES = {
    "neighbours": "The training frame that each encoder finds most similar to a held-out one",
    "saliency": "Where the pooled feature comes from: bright pixels move it furthest from its mean",
    "maps": "What the map of patches tells apart: its first three principal components as colours",
    "adapters": "Where the adapters of a network beside a frozen one are active, along a held-out demonstration",
}


@dataclass(frozen=True)
class Images:
    """Held-out frames of the first view, and an image for each of them by each row of the table."""

    name: str  # one of TITLES
    env: str
    queries: np.ndarray  # (Q, H, W, 3) uint8
    answers: Mapping[str, np.ndarray]


def images(rows: Mapping[str, Mapping[str, Visualization]]) -> list[Images | Demo]:
    """Environment -> row -> arrays, as sheets: one per environment and title that some row has an answer to."""
    sheets: list[Images | Demo] = []
    for env, by_row in rows.items():
        answers = {
            "neighbours": {label: one.neighbours for label, one in by_row.items() if one.neighbours is not None},
            "saliency": {
                label: heat_map(one.queries, one.saliency) for label, one in by_row.items() if one.saliency is not None
            },
            "maps": {label: (255 * one.maps).astype(np.uint8) for label, one in by_row.items() if one.maps is not None},
        }
        queries = next(iter(by_row.values())).queries
        sheets += [Images(name, env, queries, answer) for name, answer in answers.items() if answer]
        sheets += _along(env, by_row)
    return sheets


def _along(env: str, by_row: Mapping[str, Visualization]) -> Iterator[Images | Demo]:
    """What there is of the one demonstration that all rows are shown."""
    adapters = {
        f"{label}, {number + 1}": heat_map(one.strip, _enlarged(heat, one.strip.shape[1]))
        for label, one in by_row.items()
        if one.adapters is not None and one.strip is not None
        for number, heat in enumerate(one.adapters)
    }
    strips = [one.strip for one in by_row.values() if one.strip is not None]
    if adapters:
        yield Images("adapters", env, strips[0], adapters)
    recorded = [one.recorded for one in by_row.values() if one.recorded is not None]
    if recorded:
        yield Demo(
            env=env,
            data_set=env,
            title="A held-out demonstration: its actions, and what policies would do in each of its states",
            units="normalised",
            frames=strips[0][:, None],
            dims=tuple(f"action {number + 1}" for number in range(recorded[0].shape[1])),
            recorded=recorded[0],
            predicted={row: one.predicted for row, one in by_row.items() if one.predicted is not None},
        )


def _enlarged(heat: np.ndarray, side: int) -> np.ndarray:
    return ndimage.zoom(heat, (1, side / heat.shape[1], side / heat.shape[2]), order=1, grid_mode=True, mode="nearest")


def heat_map(frames: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Heat over greyed frames, smoothed a little and as bright as the image's own loudest percent."""
    inside = ndimage.uniform_filter(np.ones_like(heat), (1, 5, 5), mode="constant")  # what of a window is in the image
    smooth = ndimage.uniform_filter(heat, (1, 5, 5), mode="constant") / inside
    loudest = np.percentile(smooth, 99, axis=(1, 2), keepdims=True)
    colours = mpl.colormaps["inferno"](np.clip(smooth / np.maximum(loudest, 1e-12), 0, 1))[..., :3]
    return (0.3 * frames.mean(-1, keepdims=True) + 0.7 * 255 * colours).astype(np.uint8)
