"""A scripted demonstrator: four of the seven tasks, at its own pace, with a trembling hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from benchmark.contracts.environment import Expert
from benchmark.envs.kitchen.arm import JOINTS, Arm
from benchmark.envs.kitchen.skills import Actions, Skills
from benchmark.envs.kitchen.tasks import COUNTED, HUMAN_PLANS, TASKS, too_late

PACE = (0.7, 1.0)
NOISE = (0.04, 0.1)  # standard deviation on the arm's actions, drawn once per episode
# Of it on each joint. Fingers that never tremble are never seen to come back either: a policy then lets a small error add up,
# until they are closed before they arrive (kNN on the state, 16 episodes: 3.2 of 4 tasks without, 3.75 with).
TREMBLE = np.array([1.0] * JOINTS + [0.5, 0.5])
ATTEMPTS = 3


class KitchenExpert(Expert):
    """Performs `tasks` and is done. What it returns is what has to be executed, noise included."""

    def __init__(self, arm: Arm, tasks: Sequence[str], completed: Callable[[], Collection[str]], rng: np.random.Generator):
        self.tasks = tuple(tasks)
        self._completed, self._rng = completed, rng
        self._noise = rng.uniform(*NOISE)
        self._skills = Skills(arm, rng, pace=rng.uniform(*PACE))
        self.info = {"tasks": list(tasks), "noise": self._noise, "pace": self._skills.pace}
        self._actions = self._perform()

    def act(self) -> np.ndarray | None:
        action = next(self._actions, None)
        if action is None:
            return None
        action += self._noise * TREMBLE * self._rng.standard_normal(len(TREMBLE))
        return np.clip(action, -1, 1).astype(np.float32)

    def _perform(self) -> Actions:
        for task in self.tasks:
            for _ in range(ATTEMPTS):
                if task in self._completed():
                    break
                yield from getattr(self._skills, task.replace(" ", "_"))()
                if task not in self._completed():
                    yield from self._skills.home()


def draw_plan(plans: str, rng: np.random.Generator) -> list[str]:
    return human_plan(rng) if plans == "human" else any_four(rng)


def human_plan(rng: np.random.Generator) -> list[str]:
    """One of the human plans, all equally likely; the hinge last where its open door would be in the way."""
    plan = HUMAN_PLANS[rng.integers(len(HUMAN_PLANS))].split(", ")
    return sorted(plan, key="hinge cabinet".__eq__) if too_late(plan) else plan


def any_four(rng: np.random.Generator) -> list[str]:
    """Four distinct tasks in a random order that can be carried out."""
    while True:
        order = [str(task) for task in rng.permutation(TASKS)[:COUNTED]]
        if not too_late(order):
            return order
