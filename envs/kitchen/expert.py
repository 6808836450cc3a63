"""A scripted demonstrator: four of the seven tasks, at its own pace, with a hand that trembles and is pushed aside."""

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
# A push that lasts leads off the way, and what is recorded from there leads back. With it VQ-BeT on the state scores 3.8, 3.4
# and 3.2 of 4 tasks with seeds 0, 1 and 2 (16 episodes each); where the noise is recorded and nobody pushes, 3.1, 0.3 and 0.0.
# kNN pays for it: 2.9 (48 episodes) from 3.4; with twice the push 2.5. The push is larger in fast motions: one of 0.1 in all of
# them spoils grasps and leaves 3.7 of 4 tasks to the demonstrator (10 episodes), this one 4.00 (128 episodes).
PUSH = (0.0, 0.06)  # standard deviation per joint as a share of the fastest joint's action, drawn once per episode
LASTING = 0.9  # correlation of the push with that of the step before: it leads one way for about ten steps
ATTEMPTS = 3


class KitchenExpert(Expert):
    """Performs `tasks` and is done. It acts on the scene as it is and that is what is recorded; what is executed differs by
    noise, so that demonstrations show the way back (DART, Laskey et al. 2017)."""

    def __init__(self, arm: Arm, tasks: Sequence[str], completed: Callable[[], Collection[str]], rng: np.random.Generator):
        self.tasks = tuple(tasks)
        self._completed, self._rng = completed, rng
        self._noise, self._push = rng.uniform(*NOISE), rng.uniform(*PUSH)
        self._pushed = rng.standard_normal(JOINTS)
        self._skills = Skills(arm, rng, pace=rng.uniform(*PACE))
        self.info = {"tasks": list(tasks), "noise": self._noise, "push": self._push, "pace": self._skills.pace}
        self._actions = self._perform()

    def act(self) -> np.ndarray | None:
        action = next(self._actions, None)
        return None if action is None else action.astype(np.float32)

    def executed(self, action: np.ndarray) -> np.ndarray:
        self._pushed = LASTING * self._pushed + np.sqrt(1 - LASTING**2) * self._rng.standard_normal(JOINTS)
        noise = self._noise * TREMBLE * self._rng.standard_normal(len(TREMBLE))
        noise[:JOINTS] += self._push * np.abs(action[:JOINTS]).max() * self._pushed
        return action + noise

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
