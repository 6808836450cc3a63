"""Recordings whose action nobody knows without the goal: a dot walks away from the middle, and only its last frame says where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Dataset
from tests.toy import Toy, ToyConfig

STEPS, SIDE, SPEED = 12, 32, 0.25


@dataclass
class WalksConfig(ToyConfig):
    pass


class Walks(Dataset):
    """An action is a fraction of the way to the goal, so it depends on both frames in both dimensions."""

    name = "walks"
    Config = WalksConfig
    presets = {"smoke": {"resolution": SIDE, "episodes": 40, "demonstrations": "recorded"}}

    @classmethod
    def spec(cls, config: Any) -> Any:
        return replace(Toy.spec(config), metric="action_r2", tasks=("left", "right"))

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        for index in range(config.episodes):
            rng = np.random.default_rng(index)
            goal, dot = rng.uniform(0.1, 0.9, 2), np.full(2, 0.5)
            states, actions = [], []
            for _ in range(STEPS):
                action = SPEED * (goal - dot) / 0.12
                states.append([*dot, *goal])
                actions.append(action)
                dot = dot + 0.12 * action
            frames = np.stack([draw(np.array(state[:2])) for state in states])
            info = {"task": "left" if goal[0] < 0.5 else "right", "language": [*map(float, goal), 0.5]}
            arrays = np.array(actions, np.float32), np.array(states, np.float32)
            yield Episode(frames, *arrays, arrays[1][:, :2], info)


def draw(dot: np.ndarray) -> np.ndarray:
    frame = np.full((1, SIDE, SIDE, 3), 20, np.uint8)
    column, row = (dot * (SIDE - 6)).astype(int)
    frame[0, row : row + 6, column : column + 6] = 255
    return frame
