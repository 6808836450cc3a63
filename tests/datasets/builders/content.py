"""What the small data sets hold: three short episodes of numbers and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LENGTHS = (5, 3, 4)
SIDE = 16


@dataclass
class Built:
    """A data set on disk and its content: per episode the frames (T, V, H, W, 3), actions, states, proprioception."""

    path: Path
    format: str
    views: tuple[str, ...]
    hz: float | None
    frames: list[np.ndarray]
    actions: list[np.ndarray]
    states: list[np.ndarray] | None = None
    proprio: list[np.ndarray] | None = None
    lossless: bool = True
    tasks: list[str] = field(default_factory=list)


def numbers(width: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, width)).astype(np.float32) for length in LENGTHS]


def images(views: int, seed: int = 0, side: int = SIDE) -> list[np.ndarray]:
    """Smooth ones, which a video codec keeps well: every frame its own colours."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, side)
    slope = ramp[:, None, None] * 0.5 + ramp[None, :, None] * 0.5
    colours = [rng.uniform(20, 200, size=(length, views, 1, 1, 3)) for length in LENGTHS]
    return [(colour + 50 * slope).astype(np.uint8) for colour in colours]
