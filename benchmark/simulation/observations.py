"""Observations in memory that processes share, checked as they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from benchmark.contracts.environment import Simulator
from benchmark.contracts.specs import EnvSpec
from benchmark.simulation.shift import Shift
from benchmark.simulation.workers import CONTEXT


class SharedArray:
    """An array that processes share.

    Its memory has no name: whichever process is killed, and however, nothing stays behind. multiprocessing takes it from
    /dev/shm, or where that is small (containers) from the temporary directory.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type):
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._memory = CONTEXT.RawArray("B", max(1, math.prod(shape) * self._dtype.itemsize))

    @property
    def array(self) -> np.ndarray:
        return np.frombuffer(self._memory, self._dtype, math.prod(self._shape)).reshape(self._shape)


class ObservationBuffer:
    """One row per moment: of a slot in a rollout, of a time step in a demonstration."""

    def __init__(self, spec: EnvSpec, resolution: int, rows: int):
        self._frames = SharedArray((rows, len(spec.views), resolution, resolution, 3), np.uint8)
        self._proprio = SharedArray((rows, spec.proprio_dim), np.float32)
        self._state = SharedArray((rows, spec.state_dim), np.float32)

    @property
    def frames(self) -> np.ndarray:
        return self._frames.array

    @property
    def proprio(self) -> np.ndarray:
        return self._proprio.array

    @property
    def state(self) -> np.ndarray:
        return self._state.array

    def put(self, row: int, env: Simulator, render: bool, shift: Shift | None = None) -> None:
        """Writes what `env` shows now, seen through `shift`; without `render`, the row's frames stay what they were."""
        for name, values, rows in (("proprio", env.proprio(), self.proprio), ("state", env.state(), self.state)):
            if values.shape != rows.shape[1:]:
                raise ValueError(f"{name}() gave shape {values.shape}, its spec says {rows.shape[1:]}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name}() contains NaN or infinite values")
            rows[row] = values
        if render:
            frames, images = self.frames, env.render()
            if images.shape != frames.shape[1:] or images.dtype != np.uint8:
                raise ValueError(f"render() gave {images.dtype} {images.shape}, its spec says uint8 {frames.shape[1:]}")
            frames[row] = images if shift is None else shift(images)


def checked_score(score: Mapping[str, float], metric: str) -> dict[str, float]:
    """An absent success signal is an error, not a zero."""
    if metric not in score:
        raise ValueError(f"score() has no '{metric}', only: {', '.join(score) or 'nothing'}")
    for name, value in score.items():
        if not math.isfinite(value):
            raise ValueError(f"score() gave {name} = {value}")
    return {name: float(value) for name, value in score.items()}
