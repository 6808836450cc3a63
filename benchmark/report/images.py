"""Images of what encoders make of held-out frames, drawn from the arrays of `stages/visualize.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from scipy import ndimage

from benchmark.stages.visualize import Visualization

TITLES = {
    "neighbours": "The training frame that each encoder finds most similar to a held-out one",
    "saliency": "Where the pooled feature comes from: bright pixels move it furthest from its mean",
    "maps": "What the map of patches tells apart: its first three principal components as colours",
}


@dataclass(frozen=True)
class Images:
    """Held-out frames of the first view, and an image for each of them by each row of the table."""

    name: str  # one of TITLES
    env: str
    queries: np.ndarray  # (Q, H, W, 3) uint8
    answers: Mapping[str, np.ndarray]


def images(rows: Mapping[str, Mapping[str, Visualization]]) -> list[Images]:
    """Environment -> row -> arrays, as sheets: one per environment and title that some row has an answer to."""
    sheets = []
    for env, by_row in rows.items():
        answers = {
            "neighbours": {label: one.neighbours for label, one in by_row.items()},
            "saliency": {
                label: heat_map(one.queries, one.saliency) for label, one in by_row.items() if one.saliency is not None
            },
            "maps": {label: (255 * one.maps).astype(np.uint8) for label, one in by_row.items() if one.maps is not None},
        }
        queries = next(iter(by_row.values())).queries
        sheets += [Images(name, env, queries, answer) for name, answer in answers.items() if answer]
    return sheets


def heat_map(frames: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Heat over greyed frames, smoothed a little and as bright as the image's own loudest percent."""
    inside = ndimage.uniform_filter(np.ones_like(heat), (1, 5, 5), mode="constant")  # what of a window is in the image
    smooth = ndimage.uniform_filter(heat, (1, 5, 5), mode="constant") / inside
    loudest = np.percentile(smooth, 99, axis=(1, 2), keepdims=True)
    colours = mpl.colormaps["inferno"](np.clip(smooth / np.maximum(loudest, 1e-12), 0, 1))[..., :3]
    return (0.3 * frames.mean(-1, keepdims=True) + 0.7 * 255 * colours).astype(np.uint8)
