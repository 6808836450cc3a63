"""What passes between the simulators and whoever drives them.

A rollout runs a fixed number of slots in lockstep. The number of slots is part of the recipe, the number of worker processes is
not: every tick the controller sees one batch with a row per slot, whichever process simulated it, so records cannot depend on
the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass
class Slots:
    """The observations of one tick, one row per slot. Rows that are not `active` hold stale values and are ignored."""

    active: np.ndarray  # (S,) bool, an episode is running here
    time: np.ndarray  # (S,) int, steps taken in the running episode
    frames: np.ndarray | None  # (S, V, H, W, 3) uint8, None when the controller never asks for frames
    rendered: np.ndarray  # (S,) bool, this row's frames are of this moment
    proprio: np.ndarray  # (S, P) float32
    state: np.ndarray  # (S, D) float32
    labels: np.ndarray | None = None  # (S, A) float32, what the expert would do now, where the rollout asks it


class Controller(Protocol):
    """Drives all slots of a rollout."""

    def needs_frame(self, time: int) -> bool:
        """Whether the frame at this step of an episode will ever be looked at. Rendering is the expensive part."""

    def begin(self, slot: int, seed: int) -> None:
        """A new episode starts in a slot: forget the old one; `seed` decides everything random about acting in it."""

    def act(self, slots: Slots) -> np.ndarray:
        """(S, A) float32 in the environment's units."""


@dataclass(frozen=True)
class Outcome:
    """How one episode ended."""

    episode: int
    seed: int
    steps: int
    score: dict[str, float] | None  # every metric; None if the episode broke off: see `error`
    error: str | None = None
    simulator: dict[str, str] | None = field(default=None, compare=False)  # its description, for the manifest
