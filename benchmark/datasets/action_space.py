"""One action space for several robots: how far the end effector is to move, and whether the gripper is to be open.

What an action's numbers are is never guessed from their values: a recording declares it, dimension by dimension, or is refused
by name. A dimension that a robot lacks stays at zero. Velocities of the end effector become the distance of one step.

A gripper's signal is made binary as BridgeData V2 does it, and Open X after it: scanning backwards, the state changes only
where the signal is fully open or fully closed, so a closing that takes several steps counts as closed from its first one on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.core.errors import BenchmarkError

MOTION = ("x", "y", "z", "roll", "pitch", "yaw")
GRIPPER = "gripper"
NAMES = (*MOTION, GRIPPER)
OPEN, CLOSED = 1.0, -1.0
DECIDED = 0.05  # of the way from one end, within which a gripper is fully open or closed: 0.95 and 0.05 in BridgeData V2
STEADY = 1e-3  # a dimension that varies less than this fraction of the most variable one is noise, and is not blown up
# What else dimensions are called: by Open X (fields of a dictionary, numbered), by robosuite, by LIBERO's readers here
ALIASES = {
    "x": r"d?x|delta_x|world_vector_0",
    "y": r"d?y|delta_y|world_vector_1",
    "z": r"d?z|delta_z|world_vector_2",
    "roll": r"d?roll|delta_roll|rx|turn_x|rotation_delta_0",
    "pitch": r"d?pitch|delta_pitch|ry|turn_y|rotation_delta_1",
    "yaw": r"d?yaw|delta_yaw|rz|turn_z|rotation_delta_2",
    GRIPPER: r"grip|gripper(_0)?|gripper_closedness_action(_0)?",
}
LEFT_OUT = re.compile(r"_|terminate.*")  # names of dimensions that say nothing of a movement
END = re.compile(r"(-?\d+(?:\.\d+)?) (opens|closes)")


@dataclass(frozen=True)
class Gripper:
    """The values at its two ends. `relative`: they move it, and in between is no change."""

    opens: float
    closes: float
    relative: bool = False

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """(T,) of an episode, as recorded -> OPEN or CLOSED."""
        way = (signal.astype(np.float64) - self.closes) / (self.opens - self.closes)
        state = np.where(way >= 1 - DECIDED, OPEN, np.where(way <= DECIDED, CLOSED, 0.0))
        decided, steps = np.flatnonzero(state), np.arange(len(state))
        if not len(decided):
            return np.full(len(state), OPEN) if self.relative else np.where(way >= 0.5, OPEN, CLOSED)
        if self.relative:  # it stays as it was moved last; before that it was the other way
            last = np.searchsorted(decided, steps, side="right") - 1
            return np.where(last < 0, -state[decided[0]], state[decided[last]])
        coming = np.searchsorted(decided, steps)  # after the last decided step it stays as it is
        return state[decided[np.minimum(coming, len(decided) - 1)]]


@dataclass(frozen=True)
class ActionMap:
    """How the actions of a recording are read: the column of each dimension, if it has one."""

    columns: tuple[int | None, ...]  # in the order of NAMES
    factor: float  # from what was recorded to the distance of one step
    gripper: Gripper | None

    @property
    def given(self) -> tuple[bool, ...]:
        return tuple(column is not None for column in self.columns)

    def motion(self, actions: np.ndarray) -> np.ndarray:
        """(T, A) as recorded -> (T, 6) float64."""
        moved = np.zeros((len(actions), len(MOTION)))
        for dim, column in enumerate(self.columns[: len(MOTION)]):
            if column is not None:
                moved[:, dim] = self.factor * actions[:, column].astype(np.float64)
        return moved

    def grip(self, actions: np.ndarray) -> np.ndarray:
        """(T, A) of one episode -> (T,). Without a gripper it counts as closed: the tool, whatever it is, is held."""
        column = self.columns[-1]
        if column is None or self.gripper is None:
            return np.full(len(actions), CLOSED)
        return self.gripper(actions[:, column])


def action_map(actions: Mapping[str, Any], width: int, hz: float) -> ActionMap:
    """Of what a recording declares of its actions; what cannot be mapped is said, without the name of the recording."""
    representation, names = actions.get("representation"), tuple(actions.get("names", ()))
    if representation not in ("delta", "velocity"):
        raise BenchmarkError(f"its actions are {representation}, and no movements (--actions delta or velocity, if they are)")
    if not names:
        raise BenchmarkError(f"it does not say what its {width} action numbers are (--names, {width} of {', '.join(NAMES)})")
    columns: dict[str, int] = {}
    for column, name in enumerate(names):
        dim = _dimension(name)
        if dim is None and not LEFT_OUT.fullmatch(name):
            raise BenchmarkError(
                f"'{name}' is no movement of an end effector (--names, {width} of {', '.join(NAMES)}, _ to leave one out)"
            )
        if dim in columns:
            raise BenchmarkError(f"two of its action numbers are {dim} (--names)")
        if dim:
            columns[dim] = column
    if not set(columns) & set(MOTION):
        raise BenchmarkError("none of its action numbers moves an end effector (--names)")
    gripper = _gripper(str(actions.get("gripper"))) if GRIPPER in columns else None
    return ActionMap(tuple(columns.get(name) for name in NAMES), 1 / hz if representation == "velocity" else 1.0, gripper)


def _dimension(name: str) -> str | None:
    word = re.sub(r"[/. -]", "_", name.lower())
    return next((dim for dim, alias in ALIASES.items() if re.fullmatch(alias, word)), None)


def _gripper(said: str) -> Gripper:
    """`0 opens, 1 closes`; `relative: 1 opens, -1 closes` where the values move it."""
    ends = {way: float(value) for value, way in END.findall(said)}
    if set(ends) != {"opens", "closes"} or ends["opens"] == ends["closes"]:
        raise BenchmarkError(f"its gripper is '{said}', which does not say both ends (--gripper '0 opens, 1 closes')")
    return Gripper(ends["opens"], ends["closes"], said.startswith("relative"))


def statistics(motion: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the movements of some episodes, in two passes. One that hardly moves is measured by the
    deviation of the one that moves most, and where nothing moves at all, by 1."""
    count = sum(map(len, motion))
    mean = np.sum([part.sum(axis=0) for part in motion], axis=0) / count
    spread = np.sqrt(np.sum([np.square(part - mean).sum(axis=0) for part in motion], axis=0) / count)
    most = float(spread.max())
    return mean, np.where(spread > STEADY * most, spread, most or 1.0)
