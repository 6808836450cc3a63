"""The scripted demonstrator of block pushing: multimodal on purpose.

It draws which block goes first and which target it goes to, so the same image is answered in four ways. For each block it
walks behind it (seen from the target), squares it up by circling if it stands askew, and pushes; in between it withdraws the
way it came. Distances and speeds are those of the oracle of IBC and BeT; its way points are met to 6 mm instead of 1 mm, and
it walks around a block that stands in its way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import numpy as np

from benchmark.contracts.environment import Expert
from benchmark.envs.block_push.layout import ACTION_UNIT, BLOCKS, TARGETS
from benchmark.envs.block_push.scene import Scene

STEP = 0.1  # s
WALK, PUSH, CIRCLE = 0.3, 0.35, 0.15  # m/s
BEHIND, BESIDE, AGAINST = 0.05, 0.03, 0.01  # m from the block's centre: ready to approach, touching, pushing
ORBIT, LEAD = 0.025, 0.2  # m and rad: the circle on which it turns a block, and how far ahead of itself it aims
ASKEW, SQUARE = 0.2, 0.03  # rad between a block's side and the way to the target: to be turned, turned enough
ARRIVED = 0.04  # m from the target at which a block is left alone, within the 5 cm that score
CLOSE, ROUGH = 0.006, 0.012  # m from a way point at which it counts as met
DETOUR_WITHIN, DETOUR = 0.12, 0.07  # m: how near a block is in the way, how far beside it to pass

Actions = Iterator[np.ndarray]


class Delivery:
    """One block on its way to one target."""

    def __init__(self, scene: Scene, block: int, target: int):
        self._scene, self._block, self._target = scene, block, target

    @property
    def position(self) -> np.ndarray:
        return self._scene.blocks[self._block, :2]

    @property
    def way(self) -> np.ndarray:
        return self._scene.targets[self._target] - self.position

    @property
    def arrived(self) -> bool:
        return bool(np.linalg.norm(self.way) < ARRIVED)

    @property
    def skew(self) -> float:
        """The angle from the block's nearest side to the way it has to go, within 45 degrees either side."""
        angle = np.arctan2(self.way[1], self.way[0]) - self._scene.blocks[self._block, 2]
        return float((angle + np.pi / 4) % (np.pi / 2) - np.pi / 4)

    @property
    def askew(self) -> bool:
        return abs(self.skew) > ASKEW

    def behind(self, distance: float) -> np.ndarray:
        return self.position - distance * _unit(self.way)


class Oracle(Expert):
    def __init__(self, scene: Scene, rng: np.random.Generator):
        self._scene = scene
        jobs = list(zip(rng.permutation(2).tolist(), rng.permutation(2).tolist(), strict=True))
        self.info = {"order": [f"{BLOCKS[block]} to {TARGETS[target]}" for block, target in jobs]}
        self._jobs = [Delivery(scene, *job) for job in jobs]
        self._actions = self._play()

    def act(self) -> np.ndarray | None:
        return next(self._actions, None)

    def _play(self) -> Actions:
        origin = self._scene.effector
        while waiting := [job for job in self._jobs if not job.arrived]:
            stood = yield from self._deliver(waiting[0])
            if len(waiting) > 1:
                yield from self._withdraw(stood)
                yield from self._withdraw(origin)

    def _deliver(self, job: Delivery) -> Generator[np.ndarray, None, np.ndarray]:
        """Returns where the effector first stood ready behind the block."""
        stood = []
        while not job.arrived:
            yield from self._go(lambda: self._around(job), WALK, lambda: self._within(job.behind(BEHIND), CLOSE))
            stood.append(job.behind(BEHIND))
            yield from self._go(lambda: job.behind(BESIDE), PUSH, lambda: job.askew or self._within(job.behind(BESIDE), CLOSE))
            if job.askew:
                yield from self._square_up(job)
            else:
                yield from self._go(lambda: job.behind(AGAINST), PUSH, lambda: job.askew or job.arrived)
        return stood[0]

    def _square_up(self, job: Delivery) -> Actions:
        side = np.sign(job.skew)

        def ahead() -> np.ndarray:
            return job.position + ORBIT * _turn(side * LEAD) @ _unit(self._scene.effector - job.position)

        yield from self._go(ahead, CIRCLE, lambda: bool(side * job.skew < SQUARE))

    def _withdraw(self, point: np.ndarray) -> Actions:
        yield from self._go(lambda: point, WALK, lambda: self._within(point, ROUGH))

    def _around(self, job: Delivery) -> np.ndarray:
        """The point behind the block, or one beside it while the block is in the way."""
        offset, forward = self._scene.effector - job.position, _unit(job.way)
        if offset @ forward <= -BESIDE or np.linalg.norm(offset) >= DETOUR_WITHIN:
            return job.behind(BEHIND)
        left = np.array([-forward[1], forward[0]])
        return job.behind(BEHIND) + (DETOUR if offset @ left >= 0 else -DETOUR) * left

    def _go(self, goal: Callable[[], np.ndarray], speed: float, done: Callable[[], bool]) -> Actions:
        while not done():
            way = goal() - self._scene.effector
            yield way * min(1.0, speed * STEP / max(float(np.linalg.norm(way)), 1e-9)) / ACTION_UNIT

    def _within(self, point: np.ndarray, distance: float) -> bool:
        return bool(np.linalg.norm(point - self._scene.effector) < distance)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
