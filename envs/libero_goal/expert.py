"""A scripted demonstrator: the task that the episode asks for, at its own pace, with a trembling hand, again if it failed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.contracts.environment import Expert
from benchmark.envs.libero_goal.simulator import Table
from benchmark.envs.libero_goal.skills import Actions, Skills

PACE = (0.75, 1.0)
NOISE = (0.02, 0.08)  # standard deviation on the motion of the hand, drawn once per episode; 0.05 is 2.5 mm and 1.4 degrees
ATTEMPTS = 3


class LiberoExpert(Expert):
    def __init__(self, table: Table, task: str, achieved: Callable[[], bool], rng: np.random.Generator):
        self._achieved, self._rng = achieved, rng
        self._noise = rng.uniform(*NOISE)
        self._skills = Skills(table, rng, pace=rng.uniform(*PACE))
        self.info = {"task": task, "noise": self._noise, "pace": self._skills.pace}
        self._actions = self._perform(task)

    def act(self) -> np.ndarray | None:
        action = next(self._actions, None)
        if action is None:
            return None
        action[:6] += self._noise * self._rng.standard_normal(6)
        return np.clip(action, -1, 1).astype(np.float32)

    def _perform(self, task: str) -> Actions:
        for _ in range(ATTEMPTS):
            if self._achieved():
                return
            yield from getattr(self._skills, task)()
            if not self._achieved():
                yield from self._skills.retreat()
