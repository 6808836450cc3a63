"""The published numbers of the task, and where an episode starts (IBC and BeT; the release of DynaMo has the same)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCKS = ("red_block", "green_block")
TARGETS = ("green_target", "red_target")
WORKSPACE = np.array([[0.15, -0.5], [0.7, 0.5]])  # m, where the effector may be sent
CENTRE = 0.4  # x of the middle of the scene
EFFECTOR_START = np.array([0.3, -0.4])
ACTION_UNIT = 0.03  # m that an action of 1 stands for (release: recorded actions are divided by it, the simulator multiplies)
INSIDE = 0.05  # m between a block and a target below which the block is in it


@dataclass(frozen=True)
class Layout:
    blocks: np.ndarray  # (2, 3) x, y, yaw
    targets: np.ndarray  # (2, 3)


def draw_layout(rng: np.random.Generator) -> Layout:
    """Blocks on the near side, more than 10 cm apart along x; targets on the far side, left and right at random."""
    while True:
        blocks = rng.uniform([CENTRE - 0.1, -0.35, 0], [CENTRE + 0.1, -0.05, np.pi], (2, 3))
        if abs(blocks[0, 0] - blocks[1, 0]) > 0.1:
            break
    sides = rng.permutation([[-0.12, 0.2, np.pi], [0.12, 0.2, np.pi]])
    targets = sides + [CENTRE, 0, 0] + rng.uniform(-1, 1, (2, 3)) * [0.005, 0.0075, np.pi / 30]
    return Layout(blocks, targets)
