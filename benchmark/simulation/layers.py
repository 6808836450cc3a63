"""Images of a scene of which much stands still: as they are when everything is drawn, to the bit, in two thirds of the time.

In software each geom costs some 0.05 ms however small it is, and 65 of the kitchen's 119 never move. Without shadows and
reflections no geom changes how another looks: a pixel shows the nearest. So those that rest are drawn once, and the image of
the others is laid over theirs by depth. What can be seen through has to be drawn with what is behind it: all resting geoms that
show where it may be are drawn with the others again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

SHOWN = 3  # groups of geoms, the first of six, as `mujoco.MjvOption` has it
HIDDEN = 5
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)

Image = tuple[np.ndarray, np.ndarray]  # (H, W, 3) colours and (H, W) depths, larger the nearer; the first row is the lowest
Shoot = Callable[..., Image]


@dataclass(frozen=True)
class _Layer:
    """What rests, as one view shows it."""

    state: bytes
    image: Image
    geoms: np.ndarray  # (H, W): which geom each pixel shows, -1 for none


class Layers:
    """The views of one renderer. `shoot(data, camera, categories, segments=False)` draws what is not hidden.

    Geoms may be put elsewhere between two images, and lights and cameras may move: a layer that is no longer true is drawn anew
    once two images in a row agree about it. The looks of geoms have to stay as they are.
    """

    def __init__(self, model: Any, scene: Any, shoot: Shoot):
        self._model, self._scene, self._shoot = model, scene, shoot
        shown = model.geom_group < SHOWN
        of_material = np.append(model.mat_rgba[:, 3], 1)[model.geom_matid]  # the last one is that of none, -1
        clear = (model.geom_rgba[:, 3] < 1) | (of_material < 1)
        body = model.geom_bodyid
        rests = (model.body_weldid[body] == 0) & (model.body_mocapid[model.body_rootid[body]] < 0)
        self._clear, self._rests = np.flatnonzero(clear & shown), np.flatnonzero(rests & shown & ~clear)
        self._group = model.geom_group.copy()
        self._layers: dict[int, _Layer] = {}
        self._before: dict[int, bytes] = {}

    def draw(self, view: int, data: Any, camera: Any) -> Image:
        state, layer = self._state(data, camera), self._layers.get(view)
        if layer is None or layer.state != state:
            if self._before.get(view) != state:
                self._before[view] = state
                return self._shoot(data, camera, mujoco.mjtCatBit.mjCAT_ALL)
            layer = self._layers[view] = self._rest(state, data, camera)
        behind = self._behind(layer, data)
        colours, depths = self._moving(data, camera, behind)
        # where both are as near, what rests was drawn with the others, perhaps seen through one of them
        over = depths >= layer.image[1]
        return np.where(over[..., None], colours, layer.image[0]), np.where(over, depths, layer.image[1])

    def _state(self, data: Any, camera: Any) -> bytes:
        """All that an image of what rests depends on."""
        mujoco.mjv_updateCamera(self._model, data, camera, self._scene)
        eye = self._eye()
        lens = (eye.frustum_center, eye.frustum_width, eye.frustum_bottom, eye.frustum_top, eye.frustum_near, eye.frustum_far)
        places = (data.geom_xpos[self._rests], data.geom_xmat[self._rests], data.light_xpos, data.light_xdir)
        return b"".join(np.asarray(part).tobytes() for part in (*places, eye.pos, eye.forward, eye.up, lens))

    def _eye(self) -> Any:
        return mujoco.mjv_averageCamera(self._scene.camera[0], self._scene.camera[1])

    def _rest(self, state: bytes, data: Any, camera: Any) -> _Layer:
        self._model.geom_group[self._clear] = HIDDEN
        image = self._shoot(data, camera, mujoco.mjtCatBit.mjCAT_STATIC)
        shape = image[1].shape
        geoms = np.full(shape, -1)
        if len(self._clear):
            colours, _ = self._shoot(data, camera, mujoco.mjtCatBit.mjCAT_STATIC, segments=True)
            numbers = colours.astype(int) @ (1, 1 << 8, 1 << 16)
            geom_of = np.full(numbers.max() + 1, -1)
            for geom in self._scene.geoms[: self._scene.ngeom]:
                if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.segid < numbers.max():
                    geom_of[geom.segid + 1] = geom.objid
            geoms = geom_of[numbers]
        self._model.geom_group[:] = self._group
        return _Layer(state, image, geoms)

    def _moving(self, data: Any, camera: Any, behind: np.ndarray) -> Image:
        """All that does not rest, and of what rests these geoms."""
        if not len(behind):
            return self._shoot(data, camera, mujoco.mjtCatBit.mjCAT_DYNAMIC)
        self._model.geom_group[self._rests] = HIDDEN
        self._model.geom_group[behind] = self._group[behind]
        image = self._shoot(data, camera, mujoco.mjtCatBit.mjCAT_ALL)
        self._model.geom_group[:] = self._group
        return image

    def _behind(self, layer: _Layer, data: Any) -> np.ndarray:
        """The resting geoms that show in the rectangles that hold what can be seen through."""
        found = [np.zeros(0, int)]
        for geom in self._clear:
            rows, columns = self._rectangle(geom, data, layer.geoms.shape)
            found.append(layer.geoms[rows, columns].ravel())
        seen = np.unique(np.concatenate(found))
        return seen[seen >= 0]

    def _rectangle(self, geom: Any, data: Any, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Of an image: rows and columns that hold a geom, with a pixel to spare; all of them if it reaches behind the eye."""
        eye, box = self._eye(), self._model.geom_aabb[geom]
        corners = (box[:3] + CORNERS * box[3:]) @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom] - eye.pos
        away = corners @ eye.forward
        if eye.orthographic or away.min() <= eye.frustum_near:
            return slice(None), slice(None)
        half = (eye.frustum_top - eye.frustum_bottom) / 2, eye.frustum_width or (eye.frustum_top - eye.frustum_bottom) / 2
        middle = (eye.frustum_top + eye.frustum_bottom) / 2, eye.frustum_center
        axes = eye.up, np.cross(eye.forward, eye.up)
        ranges = []
        for size, axis, centre, extent in zip(shape, axes, middle, half, strict=True):
            at = ((corners @ axis) / away * eye.frustum_near - centre) / extent  # -1 to 1 across the image
            low, high = (size * (1 + np.array([at.min(), at.max()])) / 2).clip(0, size)
            ranges.append(slice(max(0, int(low) - 1), int(high) + 2))
        return ranges[0], ranges[1]
