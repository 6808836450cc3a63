"""Images of a MuJoCo simulation that goes on, for environments that have a model and its data and nothing to draw with.

    views = MujocoViews(model, data, resolution, {"front": "camera_name", "side": {"azimuth": 90, "distance": 2}})
    frames = views.render()     # (2, resolution, resolution, 3) uint8

A camera is the name of one in the model, or what differs from MuJoCo's free camera: its `lookat`, `distance`, `azimuth` and
`elevation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.core.errors import UnknownName
from benchmark.simulation.drawing import Renderer, shared_renderer

Camera = str | Mapping[str, Any]
FREE = ("lookat", "distance", "azimuth", "elevation")


class MujocoViews:
    """`model` is drawn as it is: shadows and reflections are switched off in it, as they cost most of the time."""

    def __init__(self, model: Any, data: Any, resolution: int, cameras: Mapping[str, Camera]):
        self._data = data
        self._cameras = [_camera(model, camera) for camera in cameras.values()]
        self._renderer: Renderer = shared_renderer(("running", id(model)), lambda: model, resolution)

    def render(self) -> np.ndarray:
        return self._renderer.draw(self._data, self._cameras)

    def describe(self) -> dict[str, str]:
        return self._renderer.describe()

    def close(self) -> None:
        self._renderer.close()


def _camera(model: Any, camera: Camera) -> Any:
    import mujoco

    made = mujoco.MjvCamera()
    if isinstance(camera, str):
        names = [model.camera(number).name for number in range(model.ncam)]
        if camera not in names:
            raise UnknownName("camera of the model", camera, names)
        made.type, made.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, names.index(camera)
        return made
    mujoco.mjv_defaultFreeCamera(model, made)
    for name, value in camera.items():
        if name not in FREE:
            raise UnknownName("setting of a camera", name, FREE)
        if name == "lookat":
            made.lookat[:] = value
        else:
            setattr(made, name, value)
    return made
