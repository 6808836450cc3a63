"""How the kitchen looks: the camera of the DynaMo release on a light version of the scene."""

from __future__ import annotations

from typing import Any

import mujoco

from benchmark.simulation.drawing import Renderer, shared_renderer, simplified

CELL = 0.012  # m: 140 000 faces, nearly all of the robot's, become 17 000 that look the same at 224 pixels
TEXELS = 256


def open_renderer(model: Any, resolution: int) -> Renderer:
    return shared_renderer("kitchen", lambda: simplified(model, CELL, TEXELS), resolution, layered=True)


def front_camera() -> Any:
    """DynaMo release, envs/sim_kitchen.py."""
    camera = mujoco.MjvCamera()
    camera.distance, camera.azimuth, camera.elevation = 2.5, 70, -35
    camera.lookat[:] = -0.2, 0.5, 2.0
    return camera
