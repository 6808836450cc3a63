"""A scripted demonstrator: four of the seven tasks in a random order, at its own pace, with a trembling hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache

import numpy as np

from benchmark.contracts import Expert
from benchmark.seeds import numpy_rng
from envs.kitchen.arm import JOINTS, Arm
from envs.kitchen.skills import Actions, Skills

TASKS_PER_EPISODE = 4  # as in the human demonstrations (Gupta et al. 2019, Relay Policy Learning)
BEFORE_HINGE = {"slide cabinet", "top burner"}  # the open hinge cabinet hangs in front of one and above the other
PACE = (0.7, 1.0)
NOISE = (0.04, 0.1)  # standard deviation on the arm's actions, drawn once per episode
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
        action[:JOINTS] += self._noise * self._rng.standard_normal(JOINTS)
        return np.clip(action, -1, 1).astype(np.float32)

    def _perform(self) -> Actions:
        for task in self.tasks:
            for _ in range(ATTEMPTS):
                if task in self._completed():
                    break
                yield from getattr(self._skills, task.replace(" ", "_"))()
                if task not in self._completed():
                    yield from self._skills.home()


def four_of(tasks: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Four distinct tasks in a random order that can be carried out."""
    while True:
        order = [str(task) for task in rng.permutation(tasks)[:TASKS_PER_EPISODE]]
        if "hinge cabinet" not in order or not BEFORE_HINGE & set(order[order.index("hinge cabinet") :]):
            return order


@cache
def distinct_orders(tasks: Sequence[str], count: int) -> tuple[tuple[str, ...], ...]:
    """The first so many of one random sequence of all orders."""
    rng, found = numpy_rng("kitchen orders"), dict[tuple[str, ...], None]()
    while len(found) < count:
        found[tuple(four_of(tasks, rng))] = None
    return tuple(found)
