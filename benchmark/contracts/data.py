"""The data that passes between demonstrations, methods and policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.contracts.specs import UNKNOWN, ActionSpec, require
from benchmark.core.errors import BenchmarkError

ARRAYS = ("actions", "states", "proprio")  # of an episode: a row of numbers per time step

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
    action: ActionSpec | None = None  # what the actions mean; None: recorded before that was written down

    def __post_init__(self) -> None:
        actions = self.action_dim if self.action is None else self.action.dim
        require(actions == self.action_dim, f"{self.env}: {self.action_dim} action dimensions, described as {actions}")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DataSpec:
        """What `dataclasses.asdict` and JSON made of one, also of an older one without the later fields."""
        action = values.get("action")
        described = None if action is None else ActionSpec(**action)
        return cls(**{**values, "views": tuple(values["views"]), "action": described})


@dataclass(frozen=True)
class Part:
    """One of several data sets in one, and what its actions were before they were made comparable: per dimension,
    `shift + scale * action`. What it lacks of the common space is constant and not `given`."""

    name: str
    episodes: int  # that follow one another
    share: float | None = None  # of what training draws; None: each of its samples as often as any other
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    given: tuple[bool, ...] = ()
    units: str = UNKNOWN
    notes: tuple[str, ...] = ()  # what was done to it


@dataclass
class Observations:
    """What can be observed, on one device. A field that nobody needs is None.

    Of N moments, (N, ...), or as what a policy is given besides features, where proprioception is a history of them.
    """

    frames: Tensor | None = None  # (N, V, H, W, 3) uint8
    proprio: Tensor | None = None  # (N, P) float32; (N, history, P) for a policy
    state: Tensor | None = None  # (N, S) float32, privileged
    language: Tensor | None = None  # (N, L) float32, an embedding of what was asked for
    goal: Tensor | None = None  # (N, G) float32
    told: Tensor | None = None  # (N, V or 1, ...) what an encoder that takes goals has made of them, for each view or for all
    valid: Tensor | None = None  # (N,) bool, False: not an observation, whatever stands there; None: all are


@dataclass
class Windows:
    """A batch of windows cut from demonstrations, on the training device. B windows, T frames, V views."""

    frames: Tensor  # (B, T, V, 3, H, W) uint8
    actions: Tensor  # (B, T, A) float32; actions[:, t] is the one taken at frames[:, t]; see `BatchSpec.between`
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
    actions: Tensor  # (B, chunk, A) float32; actions[:, 0] belongs to the newest observation; right-padded with the last
    valid: Tensor  # (B, chunk) bool, False where padded
    goal: Tensor | None = None  # (B, G)
    rows: Tensor | None = None  # (B, history) int64, the time steps of the demonstrations that `features` describe
    goal_rows: Tensor | None = None  # (B,) int64, likewise for `goal` where that is an observation
    proprio: Tensor | None = None  # (B, history, P) normalised, for a policy whose `inputs` name it
    language: Tensor | None = None  # (B, L), likewise
    taken: Tensor | None = None  # (B, history, A) the actions at all observations, for a policy that learns from `every_step`


@dataclass
class ActionBatch:
    """Of actions alone, for what a policy makes of them."""

    actions: Tensor  # (B, chunk, A) float32, normalised


def check_episode(episode: Episode, frames: tuple[int, ...], widths: dict[str, int], where: str) -> None:
    """Refuse what would poison training later: wrong shapes, NaN, nothing at all."""
    if frames[0] == 0:
        raise BenchmarkError(f"{where} has no steps")
    if episode.frames.shape != frames or episode.frames.dtype != np.uint8:
        raise BenchmarkError(f"{where}: frames are {episode.frames.dtype} {episode.frames.shape}, expected uint8 {frames}")
    for name, width in widths.items():
        array = getattr(episode, name)
        if array.shape != (frames[0], width):
            raise BenchmarkError(f"{where}: {name} has shape {array.shape}, expected {(frames[0], width)}")
        if not np.isfinite(array).all():
            raise BenchmarkError(f"{where}: {name} contains NaN or infinite values")
