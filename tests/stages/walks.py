"""Recordings whose action nobody knows without the goal: a dot walks from the middle, and its last frame says where to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Dataset
from tests.toy import SPEED, Toy, ToyConfig

STEPS, SIDE = 12, 32


class Walks(Dataset):
    name = "walks"
    Config = ToyConfig
    presets = {"smoke": {"resolution": SIDE, "episodes": 12, "demonstrations": "recorded"}}

    @classmethod
    def spec(cls, config: Any) -> Any:
        return replace(Toy.spec(config), metric="action_r2", tasks=("left", "right"))

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        for index in range(config.episodes):
            states, actions = walk(np.random.default_rng(index))
            frames = np.stack([draw(state[:2]) for state in states])
            info = {"task": "left" if states[0, 2] < 0.5 else "right", "language": [*map(float, states[0, 2:]), 0.5]}
            yield Episode(frames, actions.astype(np.float32), states.astype(np.float32), states[:, :2].astype(np.float32), info)


def walk(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """States (dot, goal) and actions: a quarter of the way that is left, in steps of the toy."""
    dot, goal, states, actions = np.full(2, 0.5), rng.uniform(0.1, 0.9, 2), [], []
    for _ in range(STEPS):
        states.append([*dot, *goal])
        actions.append((goal - dot) / 4 / SPEED)
        dot = dot + (goal - dot) / 4
    return np.array(states), np.array(actions)


def draw(dot: np.ndarray) -> np.ndarray:
    frame = np.full((1, SIDE, SIDE, 3), 20, np.uint8)
    column, row = (dot * (SIDE - 6)).astype(int)
    frame[0, row : row + 6, column : column + 6] = 255
    return frame
