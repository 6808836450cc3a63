"""The T and its goal, in the pixels of the 512 x 512 table (gym-pusht, as in Diffusion Policy)."""

from __future__ import annotations

import numpy as np

TABLE = 512  # side of the table
AGENT_RADIUS = 15
GOAL = np.array([256, 256, np.pi / 4])  # x, y, angle of the goal; the same in every episode
# The block's corners in its own frame. A pose is an angle and the position of its origin, the middle of the bar's outer edge.
OUTLINE = np.array([[-60, 0], [60, 0], [60, 30], [15, 30], [15, 120], [-15, 120], [-15, 30], [-60, 30]], float)

STATE_NAMES = ("agent/x", "agent/y", "block/x", "block/y", "block/cos", "block/sin")


def place(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points of the block's frame on the table."""
    return points @ turn(pose[2]).T + pose[:2]


def turn(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
