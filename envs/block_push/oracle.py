"""The scripted demonstrator of block pushing: multimodal on purpose.

It draws which block goes first and which target it goes to, so the same image is answered in four ways. Everything else follows
from the scene as it is: behind the block (seen from the target) it pushes, elsewhere it walks there, round the block if need
be. It steers the point to which the effector was last sent, as the oracle of IBC and BeT does (`effector_target`), with that
oracle's distances and speeds.

That oracle goes through phases: it squares a block up by circling until it stands straight, and walks back to where it came
from between two blocks. A policy does not see the phase, and what a point pushes slips. From 1000 demonstrations of the phases,
in which nothing slips, not even a policy that is told the order delivers a block (an MLP on the state, 0.00 of 2, 16 episodes):
once beside the block it goes on to the target alone. Here is no phase, something pushes the effector, and what is recorded
leads back behind the block.
"""

from __future__ import annotations

import numpy as np

from benchmark.contracts.environment import Expert
from benchmark.envs.block_push.layout import ACTION_UNIT, BLOCKS, TARGETS
from benchmark.envs.block_push.scene import Scene

STEP = 0.1  # s
WALK, PUSH = 0.3, 0.35  # m/s
BEHIND, BESIDE, AGAINST = 0.05, 0.03, 0.01  # m from the block's centre: ready to approach, touching, pushing
ARRIVED = 0.04  # m from the target at which a block is left alone, within the 5 cm that score
LANE, FACE = 0.02, 0.018  # m: what is nearer to the line of the push and further back than this pushes, as half a block is 2 cm
NEAR, CLEAR = 0.12, 0.045  # m from the block's centre: it may be in the way; beside it there is room to pass
DETOUR, CORNER = 0.07, 0.06  # m beside and behind the block: where to pass it
PUSHED = (0.05, 0.35)  # standard deviation of the pushes in units of an action, 1 to 10 mm; drawn once per episode
LASTING = 0.7  # correlation of a push with that of the step before


class Delivery:
    """One block on its way to one target."""

    def __init__(self, scene: Scene, block: int, target: int):
        self._scene, self._block, self._target = scene, block, target

    @property
    def arrived(self) -> bool:
        return bool(np.linalg.norm(self._way) < ARRIVED)

    @property
    def _position(self) -> np.ndarray:
        return self._scene.blocks[self._block, :2]

    @property
    def _way(self) -> np.ndarray:
        return self._scene.targets[self._target] - self._position

    def displacement(self) -> np.ndarray:
        """How far to move the command in this step, in metres."""
        forward = self._way / np.linalg.norm(self._way)
        axes = np.array([forward, [-forward[1], forward[0]]])  # ahead and to the left, with the block's centre as the origin
        at = axes @ (self._scene.command - self._position)
        goal, speed = self._aim(*at)
        left = goal - at
        return axes.T @ left * min(1.0, speed * STEP / max(float(np.linalg.norm(left)), 1e-9))

    def _aim(self, ahead: float, left: float) -> tuple[np.ndarray, float]:
        """A point to make for, and how fast."""
        side = 1 if left >= 0 else -1
        if ahead <= -FACE and abs(left) < LANE:
            return np.array([-AGAINST if ahead > -BEHIND - LANE else -BESIDE, 0]), PUSH
        if ahead <= -BESIDE or np.hypot(ahead, left) > NEAR:
            return np.array([-BEHIND, 0]), WALK
        if abs(left) < CLEAR:
            return np.array([ahead, side * DETOUR]), WALK
        return np.array([-CORNER, side * DETOUR]), WALK


class Oracle(Expert):
    def __init__(self, scene: Scene, rng: np.random.Generator):
        jobs = list(zip(rng.permutation(2).tolist(), rng.permutation(2).tolist(), strict=True))
        self._rng, self._push = rng, rng.uniform(*PUSHED)
        self._pushed = rng.standard_normal(2)
        self.info = {"order": [f"{BLOCKS[block]} to {TARGETS[target]}" for block, target in jobs], "push": self._push}
        self._jobs = [Delivery(scene, *job) for job in jobs]

    def act(self) -> np.ndarray | None:
        for job in self._jobs:
            if not job.arrived:
                return job.displacement() / ACTION_UNIT
        return None

    def executed(self, action: np.ndarray) -> np.ndarray:
        self._pushed = LASTING * self._pushed + np.sqrt(1 - LASTING**2) * self._rng.standard_normal(2)
        return action + self._push * self._pushed
