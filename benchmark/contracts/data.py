"""The data that passes between demonstrations, methods and policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DataSpec:
    """What the demonstrations of an environment look like; all a method or policy may know about it."""

    env: str
    views: tuple[str, ...]
    resolution: int
    action_dim: int
    proprio_dim: int
    state_dim: int
    hz: float


@dataclass
class Windows:
    """A batch of windows cut from demonstrations, on the training device. B windows, T frames, V views."""

    frames: Tensor  # (B, T, V, 3, H, W) uint8
    actions: Tensor  # (B, T, A) float32; actions[:, t] is the one taken at frames[:, t]
    proprio: Tensor  # (B, T, P) float32
    episode: Tensor  # (B,) int64, which demonstration
    start: Tensor  # (B,) int64, the time step of the window's first frame


@dataclass
class Episode:
    """One demonstration. T observations and the T actions taken after them."""

    frames: np.ndarray  # (T, V, H, W, 3) uint8
    actions: np.ndarray  # (T, A) float32
    states: np.ndarray  # (T, S) float32
    proprio: np.ndarray  # (T, P) float32
    info: dict[str, Any] = field(default_factory=dict)  # JSON values: score, task order, seed, source


@dataclass
class Chunks:
    """A training batch for a policy: B samples of normalised features and actions."""

    features: Tensor  # (B, history, D) float32, oldest first; left-padded with the episode's first observation
    actions: Tensor  # (B, chunk, A) float32; actions[:, 0] belongs to the newest observation; right-padded
    valid: Tensor  # (B, chunk) bool, False where padded
    goal: Tensor | None = None  # (B, G)
    rows: Tensor | None = None  # (B, history) int64, the time steps of the demonstrations that `features` describe
    goal_rows: Tensor | None = None  # (B,) int64, likewise for `goal` where that is an observation
