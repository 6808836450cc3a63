"""Open Drawer and Open Door: cabinets that differ between episodes, and in evaluation also others that no demonstration shows.

The question is SpawnNet's: does what an encoder gives carry over to objects never seen? Kept are its tasks, the number of its
assets (21 to train on; 12 and 8 held out), its success (the joint opened past 0.09 at any time; m for a drawer, rad for a door)
and its three cameras. Its simulator (Isaac Gym 4) is closed and can no longer be installed: physics, assets and robot are ours,
a hand that moves freely in space. What its robot is told of the cabinet in its "proprioception" (position and speed of the
joint, a flag from the true place of the handle) is in `state` here, where only probes and the ceiling see it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmark.contracts.environment import HELD_OUT, EnvConfig, Expert, Simulator
from benchmark.contracts.specs import DEPTH, FARTHEST, ActionSpec, EnvSpec
from benchmark.core.seeds import EVALUATION_BIT, numpy_rng
from benchmark.envs.articulated.assets import LONG, Asset, assets
from benchmark.simulation.drawing import Renderer, gl_missing, shared_renderer

if TYPE_CHECKING:
    from benchmark.envs.articulated.scene import Scene

VIEWS = ("middle", "left", "right")
OPENED = 0.09  # m or rad: SpawnNet's 0.1 less its tolerance of 0.01
PROPRIO = ("x", "y", "z", "roll", "gap", "speed x", "speed y", "speed z", "command x", "command y", "command z", "command roll")
CABINET = ("opening", "speed", *(f"handle {axis}" for axis in "xyz"), "outward x", "outward y", "upright", "round", "radius")


@dataclass
class ArticulatedConfig(EnvConfig):
    depth: bool = False  # after each view comes its depth


class Articulated(Simulator):
    """What drawer and door share."""

    Config = ArticulatedConfig
    kind: ClassVar[str]
    expert_of_any_state = True
    memory = (150, 1)
    presets = {
        "smoke": {"resolution": 64, "episodes": 3},
        "quick": {"resolution": 96, "episodes": 126},
        "standard": {"resolution": 96, "episodes": 252},
        "paper": {"resolution": 224, "episodes": 231},
    }
    source = "SpawnNet (Lin et al. 2023), github.com/johnrso/spawnnet; our own scenes in MuJoCo"

    def __init__(self, config: EnvConfig):
        super().__init__(config)
        self._sets = {held_out: assets(self.kind, held_out) for held_out in (False, True)}
        self._scene: Scene | None = None
        self._drawn: Asset | None = None  # that the renderer shows
        self._renderer: Renderer | None = None
        self._farthest = 0.0

    @classmethod
    def spec(cls, config: Any) -> EnvSpec:
        return EnvSpec(
            views=tuple(name for view in VIEWS for name in ([view, view + DEPTH] if config.depth else [view])),
            action=ActionSpec(
                low=(-1.0,) * 5,
                high=(1.0,) * 5,
                names=("x", "y", "z", "roll", "gripper"),
                representation="delta",
                of="commanded pose of the hand",
                frame="world",
                units="0.02 m, 0.25 rad; the gripper is absolute",
                gripper="1 opens, -1 closes",
            ),
            proprio_dim=len(PROPRIO),
            state_names=(*(f"hand/{name}" for name in PROPRIO), *(f"cabinet/{name}" for name in CABINET)),
            hz=10.0,
            max_steps=80,
            metric="opened",
            metric_range=(0.0, 1.0),
            expert_target=0.95,
            state_target=0.75,  # our choice
        )

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        if importlib.util.find_spec("mujoco") is None:
            return "mujoco not installed; python -m pip install 'mujoco>=3.3,<3.12'"
        return gl_missing()

    @classmethod
    def held_out(cls, seed: int) -> bool:
        """Demonstrations show training assets only; of evaluation episodes, one half each."""
        return bool(seed & EVALUATION_BIT) and bool(numpy_rng("articulated split", seed).random() < 0.5)

    def reset(self, seed: int) -> None:
        from benchmark.envs.articulated.scene import Scene, Start

        rng = numpy_rng("articulated start", seed)
        choices = self._sets[self.held_out(seed)]
        asset = choices[int(rng.integers(len(choices)))]
        hand = (rng.uniform(-0.42, -0.3), rng.uniform(-0.15, 0.15), rng.uniform(0.2, 0.42))
        start = Start(rng.uniform(-0.06, 0.06), hand, rng.uniform(-0.3, 0.3))
        self._scene, self._farthest = Scene(asset, start), 0.0

    @property
    def scene(self) -> Scene:
        assert self._scene is not None, "reset comes first"
        return self._scene

    def step(self, action: np.ndarray) -> bool:
        self.scene.act(np.asarray(action, float))
        self._farthest = max(self._farthest, self.scene.opening)
        return self._farthest > OPENED

    def render(self) -> np.ndarray:
        from benchmark.envs.articulated.scene import cameras

        scene = self.scene
        if self._renderer is None or self._drawn is not scene.asset:
            self.close()
            key = ("articulated", scene.asset.kind, scene.asset.name)
            self._renderer, self._drawn = shared_renderer(key, lambda: scene.model, self.config.resolution), scene.asset
        return self._renderer.render(scene.data.qpos, cameras(), FARTHEST if self.config.depth else None)

    def proprio(self) -> np.ndarray:
        s = self.scene
        return np.array([*s.tip, s.roll, s.gap, *s.velocity, *s.command, s.turn], np.float32)

    def state(self) -> np.ndarray:
        s, handle = self.scene, self.scene.asset.handle
        kind = (handle.upright, handle.family not in LONG)
        cabinet = [s.opening, s.opening_speed, *s.grasp, *s.outward[:2], *map(float, kind), handle.radius]
        return np.concatenate([self.proprio(), np.array(cabinet, np.float32)])

    def score(self) -> dict[str, float]:
        asset = self.scene.asset
        number = self._sets[asset.held_out].index(asset)
        return {
            "opened": float(self._farthest > OPENED),
            "opening": self._farthest,
            HELD_OUT: float(asset.held_out),
            "asset": float(number),
        }

    def expert(self, seed: int) -> Expert:
        from benchmark.envs.articulated.expert import Opener

        return Opener(self.scene)

    def describe(self) -> dict[str, str]:
        packages = {"mujoco": version("mujoco")}
        return packages if self._renderer is None else packages | self._renderer.describe()

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class OpenDrawer(Articulated):
    name = "open_drawer"
    title = "Open Drawer"
    kind = "drawer"


class OpenDoor(Articulated):
    name = "open_door"
    title = "Open Door"
    kind = "door"
