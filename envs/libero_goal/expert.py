"""A scripted demonstrator: the task that the episode asks for, at its own pace, with a hand that trembles and is pushed
aside, again if it failed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.contracts.environment import Expert
from benchmark.envs.libero_goal.simulator import Table
from benchmark.envs.libero_goal.skills import Actions, Skills

PACE = (0.75, 1.0)
NOISE = (0.02, 0.08)  # standard deviation on the motion of the hand, drawn once per episode; 0.05 is 2.5 mm and 1.4 degrees
# A push that lasts leads off the way, and what is recorded from there leads back, as in the kitchen (`PUSH` in its expert.py).
# With these it does 104 of 105 tasks (results/measured/experts); weaker and stronger ones were not compared.
PUSH = (0.0, 0.15)  # standard deviation as a share of the fastest motion's action, drawn once per episode
LASTING = 0.9  # correlation of the push with that of the step before: it leads one way for about ten steps
ATTEMPTS = 3
MOTION = 6  # leading actions that move the hand; the last one is the gripper's


class LiberoExpert(Expert):
    """It acts on the scene as it is and that is what is recorded; what is executed differs by noise, so that demonstrations
    show the way back (DART, Laskey et al. 2017)."""

    def __init__(self, table: Table, task: str, achieved: Callable[[], bool], rng: np.random.Generator):
        self._achieved, self._rng = achieved, rng
        self._noise, self._push = rng.uniform(*NOISE), rng.uniform(*PUSH)
        self._pushed = rng.standard_normal(MOTION)
        self._skills = Skills(table, rng, pace=rng.uniform(*PACE))
        self.info = {"task": task, "noise": self._noise, "push": self._push, "pace": self._skills.pace}
        self._actions = self._perform(task)

    def act(self) -> np.ndarray | None:
        action = next(self._actions, None)
        return None if action is None else np.clip(action, -1, 1).astype(np.float32)

    def executed(self, action: np.ndarray) -> np.ndarray:
        self._pushed = LASTING * self._pushed + np.sqrt(1 - LASTING**2) * self._rng.standard_normal(MOTION)
        moved = action.copy()
        moved[:MOTION] += self._noise * self._rng.standard_normal(MOTION)
        moved[:MOTION] += self._push * np.abs(action[:MOTION]).max() * self._pushed
        return moved

    def _perform(self, task: str) -> Actions:
        for _ in range(ATTEMPTS):
            if self._achieved():
                return
            yield from getattr(self._skills, task)()
            if not self._achieved():
                yield from self._skills.retreat()
