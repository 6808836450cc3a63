"""A scene of which a part is drawn once looks as if all of it were drawn, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mujoco
import numpy as np
import pytest

from benchmark.simulation.drawing import Renderer, gl_missing, shared_renderer

pytestmark = pytest.mark.skipif(gl_missing() is not None, reason=str(gl_missing()))

SIZE, IMAGES = 48, 40
WINDOW = '<body pos="-0.5 0.2 0.4"><geom type="box" size="0.01 0.2 0.2" material="glass"/></body>'
PANE = '<geom type="box" size="0.01 0.25 0.25" rgba="0.3 0.6 1 0.4"/>'
ROOM = """
<mujoco>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.9 0.8 0.7" rgb2="0.1 0.2 0.3" width="32" height="32"/>
    <texture name="check" type="2d" builtin="checker" rgb1="1 1 0.5" rgb2="0.2 0.5 0.1" width="64" height="64"/>
    <material name="floor" texture="check" texrepeat="6 6"/>
    <material name="glass" rgba="1 0.5 0.3 0.5"/>
  </asset>
  <worldbody>
    <light pos="0 0 3" dir="0.2 0.1 -1"/>
    <geom type="plane" size="2 2 0.1" material="floor"/>
    <body name="cupboard" pos="0.9 0 0.5">
      <geom type="box" size="0.1 0.8 0.5" rgba="0.7 0.4 0.2 1"/>
      <geom type="sphere" pos="-0.15 0.3 0.2" size="0.12" rgba="0.1 0.8 0.2 1"/>
      <geom type="sphere" pos="-0.15 -0.3 -0.2" size="0.15" rgba="0.9 0.1 0.2 1"/>
      <body name="door" pos="-0.2 0 0">
        <joint name="door" type="slide" axis="0 1 0" range="-0.8 0.8"/>
        PANE
        <geom type="capsule" fromto="-0.03 0 -0.2 -0.03 0 0.2" size="0.02" rgba="0.2 0.2 0.2 1"/>
      </body>
    </body>
    <geom type="cylinder" pos="0.3 1.2 0.5" size="0.1 0.5" rgba="0.5 0.5 0.5 1"/>
    WINDOW
    <body name="arm" pos="0.2 0 0.4">
      <joint name="turn" type="hinge" axis="0 0 1" range="-3 3"/>
      <geom type="capsule" fromto="0 0 0 0.5 0 0.1" size="0.06" rgba="0.2 0.3 0.9 1"/>
      <camera name="hand" pos="0 0 0.3" xyaxes="0 -1 0 0.5 0 1"/>
      LAMP
    </body>
    <body name="ball"><freejoint/><geom type="sphere" size="0.1" rgba="1 0.6 0 1"/></body>
    <body name="target" mocap="true" pos="0 0 0.8"><geom type="box" size="0.05 0.05 0.05" rgba="0 1 1 1"/></body>
  </worldbody>
</mujoco>"""

Look = Callable[[Any], np.ndarray]


class Room:
    """The same room under two renderers, one of which draws in layers, and all that the latter has drawn."""

    def __init__(self, text: str, name: str):
        self.model = mujoco.MjModel.from_xml_string(text)
        self.data = mujoco.MjData(self.model)
        self.rng = np.random.default_rng(0)
        self.whole, self.layered = (self._open((name, layered), layered) for layered in (False, True))
        self.drawn: list[tuple[Any, int]] = []  # categories, and how many things they had
        layers: Any = self.layered._layers
        shoot = layers._shoot

        def noted(data: Any, camera: Any, categories: Any, **keywords: bool) -> Any:
            image = shoot(data, camera, categories, **keywords)
            self.drawn.append((categories, layers._scene.ngeom))
            return image

        layers._shoot = noted

    def _open(self, key: tuple[str, bool], layered: bool) -> Renderer:
        return shared_renderer(key, lambda: self.model, SIZE, layered)

    def move(self) -> None:
        self.data.qpos[:] = self.rng.uniform(-0.7, 0.7, self.model.nq)
        self.data.qpos[4] = abs(self.data.qpos[4])  # the ball over the floor
        self.data.mocap_pos[:] = self.rng.uniform(0.2, 0.8, 3)
        mujoco.mj_forward(self.model, self.data)

    def compare(self, *cameras: Any) -> None:
        assert np.array_equal(self.layered.draw(self.data, cameras, 4.0), self.whole.draw(self.data, cameras, 4.0))

    def close(self) -> None:
        self.whole.close()
        self.layered.close()


@pytest.fixture
def room() -> Iterator[Callable[..., Room]]:
    made: list[Room] = []

    def build(pane: str = "", window: str = "", lamp: str = "") -> Room:
        text = ROOM.replace("PANE", pane).replace("WINDOW", window).replace("LAMP", lamp)
        made.append(Room(text, str(len(made))))
        return made[-1]

    yield build
    for one in made:
        one.close()


def camera(name: str | None = None, model: Any = None, azimuth: float = 10) -> Any:
    made = mujoco.MjvCamera()
    if name is not None:
        made.type, made.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(name).id
    else:
        made.lookat[:], made.distance, made.azimuth, made.elevation = (0.3, 0, 0.4), 2.2, azimuth, -15
    return made


def test_nothing_differs_where_things_move_before_and_behind_what_rests(room: Callable[..., Room]) -> None:
    scene = room()
    for _ in range(IMAGES):
        scene.move()
        scene.compare(camera(), camera(azimuth=-60))
    of_moving = [categories == mujoco.mjtCatBit.mjCAT_DYNAMIC for categories, _ in scene.drawn]
    assert sum(of_moving) == 2 * (IMAGES - 1), "from the second image of a view on"


@pytest.mark.parametrize(("pane", "window"), [(PANE, ""), ("", WINDOW), (PANE, WINDOW)], ids=["moves", "rests", "both"])
def test_nothing_differs_behind_glass(room: Callable[..., Room], pane: str, window: str) -> None:
    scene = room(pane, window)
    for _ in range(IMAGES):
        scene.move()
        scene.compare(camera(), camera(azimuth=-20))
    (_, everything), *_ = scene.drawn
    assert max(count for _, count in scene.drawn[2:]) < everything, "of what rests only what may be behind glass"


def test_a_camera_that_moves_sees_everything_anew(room: Callable[..., Room]) -> None:
    scene = room(PANE)
    for _ in range(10):
        scene.move()
        scene.compare(camera("hand", scene.model))
    assert {categories for categories, _ in scene.drawn} == {mujoco.mjtCatBit.mjCAT_ALL}


def test_a_light_that_moves_lights_what_rests(room: Callable[..., Room]) -> None:
    scene = room(lamp='<light pos="0.3 0 0.6" dir="0.5 0 -1" diffuse="0.9 0.9 0.9"/>')
    for _ in range(10):
        scene.move()
        for _ in range(3):  # standing still for a while
            scene.compare(camera())


def test_what_rests_may_be_put_elsewhere(room: Callable[..., Room]) -> None:
    scene = room(PANE)
    for image in range(12):
        scene.move()
        if image % 4 == 0:
            scene.model.body_pos[scene.model.body("cupboard").id, 1] = 0.1 * image
            mujoco.mj_forward(scene.model, scene.data)
        scene.compare(camera())


def test_a_scene_needs_no_materials() -> None:
    scene = Room(
        '<mujoco><worldbody><geom type="plane" size="2 2 1"/><body pos="0 0 1"><freejoint/><geom size="0.2"/></body>'
        "</worldbody></mujoco>",
        "bare",
    )
    for height in (0.5, 0.7, 0.9):
        scene.data.qpos[2] = height
        mujoco.mj_forward(scene.model, scene.data)
        scene.compare(camera())
    scene.close()
