"""A demonstrator that opens the cabinet from wherever the hand is: what it does depends on the present state alone."""

from __future__ import annotations

import numpy as np

from benchmark.contracts.environment import Expert
from benchmark.envs.articulated.assets import LONG
from benchmark.envs.articulated.scene import LEAD, REACH, TURN, Scene

CLEAR = 0.075  # m before the handle: here the open fingers pass it by
ASIDE = 0.007  # m, beside the handle's middle, at which the fingers may go forward
DEEP = 0.008  # m, from the handle's middle, at which they may close
OPEN, SHUT = 1.0, -1.0


class Opener(Expert):
    def __init__(self, scene: Scene):
        self._scene = scene
        self.info = {"asset": scene.asset.name, "handle": scene.asset.handle.family}

    def act(self) -> np.ndarray:
        scene, handle = self._scene, self._scene.asset.handle
        outward, offset = scene.outward, scene.tip - scene.grasp
        before = float(offset @ outward)  # in front of the handle
        aside = offset - before * outward
        roll = self._roll() - scene.roll
        size = 2 * handle.radius
        at_handle = abs(before) < 2 * DEEP and np.linalg.norm(aside) < 2 * ASIDE
        if at_handle and 0.5 * size < scene.gap < size + 0.006:  # fingers sink into what is round
            return self._action(scene.tip + LEAD * scene.way - 0.5 * aside, 0.0, SHUT)
        if np.linalg.norm(aside) > ASIDE or abs(roll) > 0.15:
            if before < CLEAR - 0.015:  # back first, or the fingers would hit it from the side
                return self._action(scene.tip + (CLEAR - before) * outward, 0.0, OPEN)
            return self._action(scene.grasp + CLEAR * outward, roll, OPEN)
        if before > DEEP:
            return self._action(scene.grasp, roll, OPEN)
        return self._action(scene.grasp, 0.0, SHUT)

    def _roll(self) -> float:
        """Across the handle; to what is round, as the hand is."""
        handle = self._scene.asset.handle
        if handle.family not in LONG:
            return self._scene.roll
        return np.pi / 2 if handle.upright else 0.0

    def _action(self, target: np.ndarray, roll: float, fingers: float) -> np.ndarray:
        """Towards a place of the tip. The command is what moves, and it may be ahead of the hand."""
        move = (target - self._scene.command) / REACH
        move /= max(1.0, float(np.abs(move).max()))
        turn = (self._scene.roll + roll - self._scene.turn) / TURN
        return np.clip([*move, turn, fingers], -1, 1).astype(np.float32)
