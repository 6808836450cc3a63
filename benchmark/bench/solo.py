"""One simulator in a process of its own, told to take so many steps. Like any simulator process it imports no torch."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from benchmark.contracts.environment import EnvConfig, Simulator
from benchmark.core.seeds import numpy_rng, seed
from benchmark.simulation.workers import Pulse


class Order(NamedTuple):
    steps: int
    draw: bool  # after each step


class Solo:
    """Answers with the seconds that the steps took; starting episodes does not count. Actions are drawn uniformly."""

    def __init__(self, pulse: Pulse, cls: type[Simulator], config: EnvConfig):
        self._pulse, self._env, self._spec = pulse, cls(config), cls.spec(config)
        self._rng, self._episodes, self._left = numpy_rng("bench", cls.name), 0, 0

    def __call__(self, order: Order) -> float:
        seconds = 0.0
        for _ in range(order.steps):
            if self._left == 0:
                self._env.reset(seed("bench", self._episodes))
                self._episodes, self._left = self._episodes + 1, self._spec.max_steps
            action = self._rng.uniform(self._spec.action_low, self._spec.action_high).astype(np.float32)
            self._pulse.beat()
            start = time.perf_counter()
            over = self._env.step(action)
            if order.draw:
                self._env.render()
            seconds += time.perf_counter() - start
            self._left = 0 if over else self._left - 1
        return seconds

    def close(self) -> None:
        self._env.close()
