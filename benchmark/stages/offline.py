"""What predicted actions are held against, per data set: errors by dimension, the gripper, and an answer that needs no image.

A movement's error is its absolute error in standard deviations of the data set, and in the units that were recorded. The answer
without an image is the mean action of the data set's training episodes, and the state its gripper is in more often. None of it
is success: nothing that is predicted here was ever done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.data.episodes import Demos

OFFLINE = "offline/"  # before the name of each of these metrics
DATA_SET = "data_set/"  # before the name of the data set that an episode is of
PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Yardstick:
    """Of one data set."""

    name: str
    dims: tuple[str, ...]  # a name for each number of an action
    moves: tuple[int, ...]  # the numbers that are a movement of its robot
    gripper: int | None  # the number that is the state of its gripper
    deviations: np.ndarray  # (A,) one unit of the actions, in standard deviations
    units: np.ndarray  # (A,) one unit of the actions, in units that were recorded
    usual: np.ndarray  # (A,) the answer without an image

    def errors(self, predicted: np.ndarray, recorded: np.ndarray) -> dict[str, float]:
        """Of one episode, (T, A) each."""
        own, usual = np.abs(predicted - recorded).mean(axis=0), np.abs(self.usual - recorded).mean(axis=0)
        found = {f"{DATA_SET}{self.name}": 1.0}
        for dim in self.moves:
            name = self.dims[dim]
            found[f"{OFFLINE}error/{name}"] = float(own[dim] * self.deviations[dim])
            found[f"{OFFLINE}in_units/{name}"] = float(own[dim] * self.units[dim])
            found[f"{OFFLINE}mean_action/{name}"] = float(usual[dim] * self.deviations[dim])
        moves = list(self.moves)
        found[f"{OFFLINE}error"] = float((own * self.deviations)[moves].mean())
        found[f"{OFFLINE}mean_action"] = float((usual * self.deviations)[moves].mean())
        if self.gripper is not None:
            state = recorded[:, self.gripper] > 0
            found[f"{OFFLINE}gripper"] = float(((predicted[:, self.gripper] > 0) == state).mean())
            found[f"{OFFLINE}mean_action_gripper"] = float(((self.usual[self.gripper] > 0) == state).mean())
        return found


def yardsticks(demos: Demos, training: np.ndarray) -> list[Yardstick]:
    """One for each part of a mixture, whose actions are in standard deviations already; or one for all."""
    width, action = demos.spec.action_dim, demos.spec.action
    dims = action.names if action and action.names else tuple(str(number) for number in range(width))
    found = []
    for number in range(max(1, len(demos.parts))):
        actions = demos.actions[demos.steps_of(training[demos.part_of[training] == number])].astype(np.float64)
        usual = actions.mean(axis=0)
        if not demos.parts:
            spread = actions.std(axis=0)
            scale = np.where(spread > 0, spread, 1.0)
            found.append(Yardstick(demos.spec.env, dims, tuple(range(width)), None, 1 / scale, np.ones(width), usual))
            continue
        part = demos.parts[number]
        moves = tuple(dim for dim in range(width - 1) if part.given[dim])
        gripper = width - 1 if part.given[-1] else None
        found.append(Yardstick(part.name, dims, moves, gripper, np.ones(width), np.asarray(part.scale), usual))
    return found


def write_predictions(folder: Path, episodes: np.ndarray, predicted: list[np.ndarray]) -> None:
    """As the demonstrations have their actions, one row per step of the held-out episodes."""
    ends = np.cumsum([len(actions) for actions in predicted])
    np.savez(folder / PREDICTIONS, episodes=episodes, ends=ends, predicted=np.concatenate(predicted).astype(np.float32))


def read_predictions(folder: Path) -> dict[int, np.ndarray]:
    """Number of the demonstration -> (T, A)."""
    with np.load(folder / PREDICTIONS, allow_pickle=False) as file:
        parts = np.split(file["predicted"], file["ends"][:-1])
        return {int(episode): part for episode, part in zip(file["episodes"], parts, strict=True)}
