"""Visual shift: what a real room does to a camera, drawn once per episode.

Works on images, so it is the same for every simulator and costs a millisecond a frame at 96 pixels: the camera is turned,
moved and zoomed a little (in the image's plane: no parallax), the light gets brighter or darker and falls from one side, its
colour changes, and things that do not belong lie about. All cameras of a scene share the light; each is moved by itself and has
its own things.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from benchmark.contracts.specs import EnvSpec
from benchmark.core.seeds import numpy_rng


@dataclass(frozen=True)
class Strength:
    """Largest deviations; each draw is uniform up to them."""

    turn: float  # degrees
    zoom: float  # of 1
    move: float  # of the image's side
    light: float  # of 1
    side: float  # how much brighter one side is than the middle
    tint: float  # per colour, of 1
    things: int


# Our choice. Mild is a camera that was bumped and another hour of the day; strong is another room.
STRENGTHS = {
    "mild": Strength(turn=2, zoom=0.03, move=0.02, light=0.1, side=0.1, tint=0.05, things=0),
    "medium": Strength(turn=5, zoom=0.06, move=0.05, light=0.25, side=0.25, tint=0.12, things=1),
    "strong": Strength(turn=10, zoom=0.12, move=0.1, light=0.5, side=0.5, tint=0.25, things=3),
}


class Shift:
    """The shift of one episode, drawn from its seed. Call it with frames (..., V, H, W, 3) uint8."""

    @classmethod
    def draw(cls, strength: str, seed: int, spec: EnvSpec) -> Shift | None:
        """None where there is none."""
        return None if strength == "none" else cls(strength, seed, len(spec.views))

    def __init__(self, strength: str, seed: int, views: int):
        s, rng = STRENGTHS[strength], numpy_rng("visual shift", seed)
        self._gain = (1 + rng.uniform(-s.light, s.light)) * (1 + rng.uniform(-s.tint, s.tint, 3))
        self._side = rng.uniform(-s.side, s.side, 2)
        self._cameras = [_Camera(s, rng) for _ in range(views)]

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        moved = np.empty_like(frames)
        for index in np.ndindex(*frames.shape[:-3]):
            moved[index] = self._cameras[index[-1]](frames[index])
        height, width = frames.shape[-3:-1]
        down, across = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[None, :, None]
        light = np.maximum(1 + self._side[0] * down + self._side[1] * across, 0) * self._gain
        return np.clip(np.rint(moved * light), 0, 255).astype(np.uint8)


class _Camera:
    def __init__(self, strength: Strength, rng: np.random.Generator):
        self._turn = np.deg2rad(rng.uniform(-strength.turn, strength.turn))
        self._zoom = 1 + rng.uniform(-strength.zoom, strength.zoom)
        self._move = rng.uniform(-strength.move, strength.move, 2)
        self._things = [
            (rng.uniform(0, 1, 2), rng.uniform(0.02, 0.05), rng.integers(0, 256, 3)) for _ in range(strength.things)
        ]

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        image = Image.fromarray(_bordered(frame))
        middle = np.array([width, height]) / 2
        turn = np.array([[np.cos(self._turn), -np.sin(self._turn)], [np.sin(self._turn), np.cos(self._turn)]]) / self._zoom
        offset = 3 * middle - turn @ (middle + self._move * 2 * middle)
        matrix = (*turn[0], offset[0], *turn[1], offset[1])
        moved = image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(moved)
        for place, size, colour in self._things:
            (x, y), r = place * (width, height), size * width
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(c) for c in colour))
        return np.asarray(moved)


def _bordered(frame: np.ndarray) -> np.ndarray:
    """The frame amid its own repeated edges: what a moved camera sees beyond them is not black."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((height, height), (width, width), (0, 0)), mode="edge")
