"""The scripted demonstrator of block pushing: multimodal on purpose.

It draws which block goes first and which target it goes to, so the same picture is answered in four ways. For each block it walks
behind it (seen from the target), squares it up by circling its corner if it stands askew, and pushes; in between it withdraws the
way it came. Distances and speeds are those of the oracle of IBC and BeT; its way points are met to 6 mm instead of 1 mm, and it
walks around a block that stands in its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmark.contracts import Expert
from envs.block_push.layout import BLOCKS, TARGETS
from envs.block_push.scene import Scene

STEP = 0.1  # s
WALK, PUSH, CIRCLE = 0.3, 0.35, 0.15  # m/s
BEHIND, BESIDE, AGAINST = 0.05, 0.03, 0.01  # m from the block's centre: ready to approach, touching, pushing
ORBIT, LEAD = 0.025, 0.2  # m and rad: the circle on which it turns a block, and how far ahead of itself it aims
ASKEW, SQUARE = 0.2, 0.03  # rad between a block's side and the way to the target: to be turned, turned enough
ARRIVED = 0.04  # m from the target at which a block is left alone, within the 5 cm that score
CLOSE, ROUGH = 0.006, 0.012  # m

Actions = Iterator[np.ndarray]


class Oracle(Expert):
    def __init__(self, scene: Scene, rng: np.random.Generator):
        self._scene = scene
        blocks, targets = rng.permutation(2), rng.permutation(2)
        self._jobs = [(int(b), int(t)) for b, t in zip(blocks, targets, strict=True)]
        self.info = {"order": [f"{BLOCKS[b]} to {TARGETS[t]}" for b, t in self._jobs]}
        self._actions = self._play()

    def act(self) -> np.ndarray | None:
        """A displacement in metres."""
        return next(self._actions, None)

    def _play(self) -> Actions:
        origin = self._scene.effector
        while not all(self._arrived(*job) for job in self._jobs):
            for job in self._jobs:
                start = self._behind(*job)
                if not self._arrived(*job):
                    yield from self._deliver(*job)
                    yield from self._go(lambda start=start: start, WALK, self._near(start, ROUGH))
                    yield from self._go(lambda: origin, WALK, self._near(origin, ROUGH))

    def _deliver(self, block: int, target: int) -> Actions:
        def arrived() -> bool:
            return self._arrived(block, target)

        while not arrived():
            yield from self._go(lambda: self._detour(block, target), WALK, lambda: self._at(self._behind(block, target)))
            ...


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
