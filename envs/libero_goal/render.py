"""How LIBERO Goal looks: its own two cameras on a light version of the scene."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from benchmark.simulation.drawing import Renderer, shared_renderer, simplified

CAMERAS = {"agentview": "agentview", "wrist": "robot0_eye_in_hand"}
CELL = 0.005  # m: the wrist's camera is close to what it sees
LEAST = 4000  # faces: those of the robot, and no thin plate, whose two sides would meet
TEXELS = 512
COLLISION, HIDDEN = 0, 3  # groups of geoms

_drawn: dict[int, Any] = {}  # the models that the renderers of this process draw, by the size of the images


class Views:
    """Images of a scene. Fixtures stand elsewhere and the stove looks on or off from one episode to the next, which is in the
    model and not in the joints: it is copied to the model that is drawn."""

    def __init__(self, model: Any, resolution: int):
        def build() -> Any:
            _drawn[resolution] = light_version(model)
            return _drawn[resolution]

        self._model, self._resolution = model, resolution
        self._renderer: Renderer = shared_renderer(("libero_goal", resolution), build, resolution)
        self._cameras = [_camera(model, name) for name in CAMERAS.values()]

    def render(self, qpos: np.ndarray) -> np.ndarray:
        drawn = _drawn[self._resolution]
        drawn.body_pos[:], drawn.body_quat[:] = self._model.body_pos, self._model.body_quat
        drawn.site_rgba[:] = self._model.site_rgba
        return self._renderer.render(qpos, self._cameras)

    def describe(self) -> dict[str, str]:
        return self._renderer.describe()

    def close(self) -> None:
        self._renderer.close()


def light_version(model: Any) -> Any:
    model = simplified(model, CELL, TEXELS, LEAST)
    model.geom_group[model.geom_group == COLLISION] = HIDDEN
    return model


def _camera(model: Any, name: str) -> Any:
    camera = mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(name).id
    return camera
