"""Writes down what another controller sees, and what the expert would have done there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.specs import EnvSpec
from benchmark.simulation.protocol import Controller, Slots


@dataclass
class _Notes:
    frames: list[np.ndarray] = field(default_factory=list)
    labels: list[np.ndarray] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)
    proprio: list[np.ndarray] = field(default_factory=list)


class Collector:
    """A `Controller` that acts as the one it is given. It asks for every frame."""

    def __init__(self, controller: Controller, spec: EnvSpec):
        self._controller = controller
        self._low, self._high = np.asarray(spec.action_low, np.float32), np.asarray(spec.action_high, np.float32)
        self._notes: dict[int, _Notes] = {}  # by the seed of the episode
        self._running: dict[int, int] = {}  # slot -> seed

    def needs_frame(self, time: int) -> bool:
        return True

    def begin(self, slot: int, seed: int) -> None:
        self._running[slot], self._notes[seed] = seed, _Notes()
        self._controller.begin(slot, seed)

    def act(self, slots: Slots) -> np.ndarray:
        assert slots.frames is not None
        assert slots.labels is not None
        for slot in np.flatnonzero(slots.active):
            notes = self._notes[self._running[int(slot)]]
            notes.frames.append(slots.frames[slot].copy())
            notes.labels.append(np.clip(slots.labels[slot], self._low, self._high))
            notes.states.append(slots.state[slot].copy())
            notes.proprio.append(slots.proprio[slot].copy())
        return self._controller.act(slots)

    def episode(self, seed: int, info: dict[str, Any]) -> Episode:
        """One that is over; its actions are the expert's."""
        notes = self._notes.pop(seed)
        return Episode(
            frames=np.stack(notes.frames),
            actions=np.stack(notes.labels),
            states=np.stack(notes.states),
            proprio=np.stack(notes.proprio),
            info={"seed": seed, "steps": len(notes.labels), **info},
        )
