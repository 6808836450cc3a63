"""The physics: a hand that moves freely in space, like the end of an arm, before one cabinet.

x leads away from the hand into the cabinet, y to the left, z up; the closed panel's outside lies at x = 0. The hand is
a pair of parallel fingers that point along x and roll about it. Its parts are driven by springs of limited force towards what
was commanded, so that it yields where a door leads it round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from benchmark.envs.articulated.assets import PANEL, Asset

SUBSTEPS, TIMESTEP = 25, 0.004  # 10 Hz
REACH = 0.02  # m, of the commanded position in one step at most
TURN = 0.25  # rad
WIDEST = 0.08  # m, between the open fingers
LEAD = 0.05  # m, that a command may be ahead of the hand: what bounds the pull
WORKSPACE = np.array([[-0.55, -0.4, 0.04], [0.0, 0.4, 0.7]])
FOV = 55
# Of the three cameras: place (x, y, z) and what they look at.
CAMERAS = {"middle": (-0.6, 0.0, 0.8), "left": (-0.5, 0.48, 0.45), "right": (-0.5, -0.48, 0.45)}
LOOK_AT = (-0.1, 0.0, 0.28)


@dataclass(frozen=True)
class Start:
    """What differs between two episodes with the same asset."""

    shift: float  # of the cabinet along y
    hand: tuple[float, float, float]
    roll: float


class Scene:
    """One episode's world."""

    def __init__(self, asset: Asset, start: Start):
        self.asset = asset
        self.model = mujoco.MjModel.from_xml_string(world(asset, start.shift))
        self.data = mujoco.MjData(self.model)
        self._joint = self.model.joint("opening")
        self.command = np.array(start.hand)
        self.turn, self.width = start.roll, WIDEST
        for name, value in zip(("hand x", "hand y", "hand z", "hand roll"), (*start.hand, start.roll), strict=True):
            self.data.joint(name).qpos[0] = value
        for side in ("upper", "lower"):
            self.data.joint(side).qpos[0] = WIDEST / 2
        self._drive()
        mujoco.mj_forward(self.model, self.data)

    def act(self, action: np.ndarray) -> None:
        """Displacement (3), roll and width of the fingers, all in -1 to 1."""
        near = np.clip(self.command + REACH * action[:3], self.tip - LEAD, self.tip + LEAD)
        self.command = np.clip(near, *WORKSPACE)
        self.turn = float(np.clip(self.turn + TURN * action[3], -np.pi / 2, np.pi / 2))
        self.width = WIDEST * (float(action[4]) + 1) / 2
        self._drive()
        mujoco.mj_step(self.model, self.data, nstep=SUBSTEPS)
        mujoco.mj_forward(self.model, self.data)  # what is read next belongs to the new positions

    def _drive(self) -> None:
        self.data.ctrl[:] = (*self.command, self.turn, self.width / 2, self.width / 2)

    @property
    def tip(self) -> np.ndarray:
        """Between the fingertips."""
        return self.data.site("tip").xpos.copy()

    @property
    def velocity(self) -> np.ndarray:
        return np.array([self.data.joint(f"hand {axis}").qvel[0] for axis in "xyz"])

    @property
    def roll(self) -> float:
        return float(self.data.joint("hand roll").qpos[0])

    @property
    def gap(self) -> float:
        """Between the fingers."""
        return float(self.data.joint("upper").qpos[0] + self.data.joint("lower").qpos[0])

    @property
    def grasp(self) -> np.ndarray:
        """The middle of the handle."""
        return self.data.site("grasp").xpos.copy()

    @property
    def outward(self) -> np.ndarray:
        """The unit normal of the panel, towards the hand while it is closed."""
        return -self.data.site("grasp").xmat.reshape(3, 3)[:, 0]

    @property
    def way(self) -> np.ndarray:
        """The unit direction in which the handle moves as the joint opens."""
        axis = self.data.joint("opening").xaxis
        if self.asset.kind == "drawer":
            return axis.copy()
        tangent = np.cross(axis, self.grasp - self.data.joint("opening").xanchor)
        return tangent / np.linalg.norm(tangent)

    @property
    def opening(self) -> float:
        """Of the joint: m or rad."""
        return float(self.data.joint("opening").qpos[0])

    @property
    def opening_speed(self) -> float:
        return float(self.data.joint("opening").qvel[0])


def cameras() -> list[Any]:
    """As `Renderer` takes them."""
    views = []
    for place in CAMERAS.values():
        camera = mujoco.MjvCamera()
        camera.lookat[:] = LOOK_AT
        away = np.array(LOOK_AT) - place
        camera.distance = float(np.linalg.norm(away))
        camera.azimuth = float(np.rad2deg(np.arctan2(away[1], away[0])))
        camera.elevation = float(np.rad2deg(np.arcsin(away[2] / camera.distance)))
        views.append(camera)
    return views


# ---------------------------------------------------------------------------------------------------------------- the model


def world(asset: Asset, shift: float) -> str:
    """The scene as MJCF."""
    look = asset.look
    return f"""
<mujoco>
  <compiler angle="radian"/>
  <option timestep="{TIMESTEP}" integrator="implicitfast"/>
  <visual><global fovy="{FOV}"/><headlight ambient="0.45 0.45 0.45" diffuse="0.45 0.45 0.45" specular="0 0 0"/></visual>
  <asset>
    <texture name="front" type="2d" builtin="{look.pattern}" width="64" height="64"
      rgb1="{_text(look.colours[0])}" rgb2="{_text(look.colours[1])}"/>
    <material name="front" texture="front" texrepeat="2 2"/>
    <texture name="sky" type="skybox" builtin="flat" width="8" height="8" rgb1="0.75 0.8 0.85" rgb2="0.75 0.8 0.85"/>
  </asset>
  <worldbody>
    <light pos="-1 0.6 1.6" dir="0.7 -0.3 -0.9" diffuse="0.35 0.35 0.35" specular="0 0 0"/>
    <geom type="plane" size="2 2 0.1" rgba="{_text(look.floor)} 1"/>
    <body pos="0 {shift:.5f} {asset.base + asset.height / 2:.5f}">{_carcass(asset)}{_opening(asset)}</body>
    {_hand()}
  </worldbody>
  <equality><joint joint1="upper" joint2="lower"/></equality>
  <actuator>
    {"".join(_spring(f"hand {axis}", 900, 90, 60) for axis in "xyz")}
    {_spring("hand roll", 12, 0.8, 4)}
    {_spring("upper", 900, 30, 30)}{_spring("lower", 900, 30, 30)}
  </actuator>
</mujoco>"""


def _carcass(asset: Asset) -> str:
    """The box around what opens, and what it stands on. Only the hand can touch it: the panel would rub."""
    wall, width, height, depth = 0.012, asset.width / 2 + 0.014, asset.height / 2 + 0.014, asset.depth / 2
    behind = PANEL + 0.002 + depth
    colour = _text(tuple(0.8 * part for part in asset.look.colours[0]))
    walls = [(f"{behind} {side * width} 0", f"{depth} {wall / 2} {height}") for side in (-1, 1)] + [
        (f"{behind} 0 {side * height}", f"{depth} {width} {wall / 2}") for side in (-1, 1)
    ]
    walls.append((f"{behind + depth} 0 0", f"{wall / 2} {width} {height}"))
    walls.append((f"{behind} 0 {-height - asset.base / 2}", f"{0.9 * depth} {0.9 * width} {asset.base / 2 - 0.01}"))
    return "".join(
        f'<geom type="box" pos="{pos}" size="{size}" rgba="{colour} 1" contype="2" conaffinity="1"/>' for pos, size in walls
    )


def _opening(asset: Asset) -> str:
    """The panel with its handle on a joint. Its outside is at x = 0, so the joint's body begins there."""
    handle, half = asset.handle, (PANEL / 2, asset.width / 2, asset.height / 2)
    door = asset.kind == "door"
    edge = asset.hinge * asset.width / 2 if door else 0.0
    # hinged on the left (+y) the panel opens towards the hand by turning about -z, on the right about +z
    axis = f"0 0 {-asset.hinge}" if door else "-1 0 0"
    inside = "" if door else _tray(asset)
    return f"""
<body pos="0 {edge:.5f} 0">
  <joint name="opening" type="{"hinge" if door else "slide"}" axis="{axis}" pos="{PANEL if door else 0} 0 0" limited="true"
    range="0 {asset.limit}" damping="{asset.damping}" frictionloss="{asset.friction}" armature="{0.01 if door else 0.1}"/>
  <body pos="0 {-edge:.5f} 0">
    <geom type="box" pos="{half[0]} 0 0" size="{_text(half)}" material="front" mass="1" contype="2" conaffinity="1"/>
    {inside}
    <body pos="0 {handle.across:.5f} {handle.up:.5f}">{_handle(asset)}
      <site name="grasp" pos="{-handle.stand} 0 0" size="0.002" rgba="0 0 0 0"/>
    </body>
  </body>
</body>"""


def _tray(asset: Asset) -> str:
    """What one sees of a drawer that is open."""
    width, height, depth = 0.47 * asset.width, 0.4 * asset.height, 0.45 * asset.depth
    middle = PANEL + depth
    parts = [(f"{middle} 0 {-height}", f"{depth} {width} 0.004")]
    parts += [(f"{middle} {side * width} {-0.2 * height}", f"{depth} 0.004 {0.8 * height}") for side in (-1, 1)]
    return "".join(
        f'<geom type="box" pos="{pos}" size="{size}" rgba="0.75 0.65 0.5 1" contype="0" conaffinity="0" mass="0.1"/>'
        for pos, size in parts
    )


def _handle(asset: Asset) -> str:
    """Drawn lying along y, then turned upright where it is."""
    handle = asset.handle
    half, radius, stand = handle.length / 2, handle.radius, handle.stand
    look = f'rgba="{_text(asset.look.handle)} 1" contype="2" conaffinity="1" friction="1.5 0.02 0.001" mass="0.02"'

    def rod(a: str, b: str, thickness: float, shape: str = "capsule") -> str:
        return f'<geom type="{shape}" fromto="{a} {b}" size="{thickness}" {look}/>'

    ends = (-half, half)
    if handle.family == "bar":
        geoms = f'<geom type="box" pos="{-stand} 0 0" size="{radius} {half} {radius}" {look}/>'
        geoms += "".join(rod(f"0 {0.85 * end} 0", f"{-stand} {0.85 * end} 0", 0.8 * radius, "cylinder") for end in ends)
    elif handle.family == "rod":
        geoms = rod(f"{-stand} {-half} 0", f"{-stand} {half} 0", radius)
        geoms += "".join(rod(f"0 {end} 0", f"{-stand} {end} 0", radius) for end in ends)
    elif handle.family == "arch":
        geoms = rod(f"{-stand} {-half / 2} 0", f"{-stand} {half / 2} 0", radius)
        geoms += "".join(rod(f"0 {end} 0", f"{-stand} {end / 2} 0", radius) for end in ends)
    elif handle.family == "tee":
        geoms = rod(f"{-stand} {-half} 0", f"{-stand} {half} 0", radius) + rod("0 0 0", f"{-stand} 0 0", 0.7 * radius)
    elif handle.family == "knob":
        geoms = f'<geom type="sphere" pos="{-stand} 0 0" size="{radius}" {look}/>' + rod(
            "0 0 0", f"{-stand} 0 0", 0.45 * radius
        )
    else:  # a disc
        geoms = rod(f"{-stand - 0.008} 0 0", f"{-stand + 0.008} 0 0", radius, "cylinder")
        geoms += rod("0 0 0", f"{-stand} 0 0", 0.35 * radius)
    turn = f' euler="{np.pi / 2:.6f} 0 0"' if handle.upright else ""
    return f"<body{turn}>{geoms}</body>"


def _hand() -> str:
    """At roll 0 the fingers close along z."""
    touch = 'contype="1" conaffinity="2" friction="1.5 0.02 0.001"'
    joints = "".join(
        f'<joint name="hand {name}" type="slide" axis="{axis}" damping="2"/>'
        for name, axis in zip("xyz", ("1 0 0", "0 1 0", "0 0 1"), strict=True)
    )
    fingers = "".join(
        f"""<body pos="0 0 0" gravcomp="1">
  <joint name="{name}" type="slide" axis="0 0 {side}" limited="true" range="0 {WIDEST / 2}" damping="4" armature="0.05"/>
  <geom type="box" pos="-0.018 0 {side * 0.006}" size="0.034 0.011 0.006" rgba="0.15 0.15 0.18 1" mass="0.05" {touch}/>
</body>"""
        for name, side in (("upper", 1), ("lower", -1))
    )
    return f"""
<body gravcomp="1">{joints}
  <joint name="hand roll" type="hinge" axis="1 0 0" damping="0.2" armature="0.01"/>
  <site name="tip" size="0.002" rgba="0 0 0 0"/>
  <geom type="box" pos="-0.075 0 0" size="0.022 0.025 0.055" rgba="0.85 0.85 0.88 1" mass="0.6" {touch}/>
  <geom type="cylinder" fromto="-0.097 0 0 -0.2 0 0" size="0.03" rgba="0.9 0.9 0.92 1" mass="0.2" contype="0" conaffinity="0"/>
  {fingers}
</body>"""


def _spring(joint: str, stiffness: float, damping: float, force: float) -> str:
    return f'<position joint="{joint}" kp="{stiffness}" kv="{damping}" forcerange="{-force} {force}"/>'


def _text(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:.5f}" for number in numbers)
