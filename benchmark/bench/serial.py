"""A plain evaluation loop, which rollouts are held against: one episode at a time, simulator and networks in one process."""

from __future__ import annotations

import time

import numpy as np

from benchmark.contracts.environment import EnvConfig, Simulator
from benchmark.core.seeds import evaluation_seed
from benchmark.simulation.protocol import Controller, Slots


class Serial:
    """Answers with the seconds that so many steps took; starting episodes does not count, as in `Solo`."""

    def __init__(self, cls: type[Simulator], config: EnvConfig, controller: Controller):
        self._env, self._spec, self._controller = cls(config), cls.spec(config), controller
        self._frames = np.zeros((1, len(self._spec.views), config.resolution, config.resolution, 3), np.uint8)
        self._episodes, self._time, self._over = 0, 0, True

    def __call__(self, steps: int) -> float:
        seconds = 0.0
        for _ in range(steps):
            if self._over:
                seed = evaluation_seed("bench", self._episodes)
                self._env.reset(seed)
                self._controller.begin(0, seed)
                self._episodes, self._time = self._episodes + 1, 0
            start = time.perf_counter()
            over = self._step()
            seconds += time.perf_counter() - start
            self._time += 1
            self._over = over or self._time == self._spec.max_steps
        return seconds

    def close(self) -> None:
        self._env.close()

    def _step(self) -> bool:
        env, draw = self._env, self._controller.needs_frame(self._time)
        if draw:
            self._frames[0] = env.render()
        yes = np.ones(1, bool)
        seen = Slots(yes, np.array([self._time]), self._frames, yes & draw, env.proprio()[None], env.state()[None])
        [action] = self._controller.act(seen)
        return env.step(np.clip(action, self._spec.action_low, self._spec.action_high).astype(np.float32))
