"""Franka Kitchen: a robot arm among seven things to do, as the DynaMo paper evaluates it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.contracts import EnvConfig, Environment, EnvSpec, Expert
from benchmark.mujoco_render import gl_missing, gl_renderer

if TYPE_CHECKING:
    from benchmark.mujoco_render import Renderer

__all__ = ["Kitchen"]

TASKS = ("bottom burner", "top burner", "light switch", "slide cabinet", "hinge cabinet", "microwave", "kettle")
COUNTED = 4  # the paper scores tasks out of four, the number in each human demonstration
ROBOT = 18  # leading entries of the stock observation: 9 joint positions (arm and fingers), 9 velocities

STATE_NAMES = (
    *(f"robot/joint{i}" for i in range(1, 8)),
    *("robot/finger1", "robot/finger2"),
    *("bottom right burner/knob", "bottom right burner/flame", "bottom burner/knob", "bottom burner/flame"),
    *("top right burner/knob", "top right burner/flame", "top burner/knob", "top burner/flame"),
    *("light switch/lever", "light switch/lamp", "slide cabinet/door"),
    *("hinge cabinet/left door", "hinge cabinet/right door", "microwave/door"),
    *("kettle/x", "kettle/y", "kettle/z", "kettle/qw", "kettle/qx", "kettle/qy", "kettle/qz"),
)


@dataclass
class KitchenConfig(EnvConfig):
    """The kitchen has no switches of its own."""


class Kitchen(Environment):
    """FrankaKitchen-v1 of gymnasium-robotics: nine joint velocities at 12.5 Hz, 280 steps, seven tasks in any order.

    A task counts once, when its joints come within 0.3 of the goal; an episode ends early only when all seven are done
    (DynaMo release, envs/sim_kitchen.py). The physics are those of the stock environment, which steers from *noisy* readings
    of its joints: the noise stays, drawn from the episode's seed alone. `proprio` is that noisy reading, `state` is exact.
    """

    name = "kitchen"
    Config = KitchenConfig
    presets = {
        "smoke": {"resolution": 64},
        "quick": {"resolution": 96},
        "standard": {"resolution": 96},
        "paper": {"resolution": 224},
    }
    source = (
        "Gupta et al. 2019, Relay Policy Learning (arXiv:1910.11956); simulator of gymnasium-robotics; scripted demonstrations"
    )

    def __init__(self, config: KitchenConfig):
        super().__init__(config)
        with contextlib.redirect_stderr(io.StringIO()):  # on import it prints a notice about another of its environments
            from gymnasium_robotics.envs.franka_kitchen.kitchen_env import KitchenEnv

        self._simulator = KitchenEnv(tasks_to_complete=list(TASKS), terminate_on_tasks_completed=False)
        self._readings = np.zeros(ROBOT)
        self._completed: set[str] = set()
        self._renderer: Renderer | None = None

    @classmethod
    def spec(cls, config: KitchenConfig) -> EnvSpec:
        return EnvSpec(
            views=("front",),
            action_low=(-1.0,) * 9,
            action_high=(1.0,) * 9,
            proprio_dim=ROBOT,
            state_names=STATE_NAMES,
            hz=12.5,
            max_steps=280,
            metric="tasks",
            metric_range=(0.0, float(COUNTED)),
            expert_target=3.9,
            tasks=TASKS,
        )

    @classmethod
    def missing(cls, config: KitchenConfig) -> str | None:
        absent = [name for name in ("mujoco", "gymnasium", "gymnasium_robotics") if importlib.util.find_spec(name) is None]
        if absent:
            return (
                f"not installed: {', '.join(absent)}. Mend it with: pip install 'gymnasium-robotics>=1.4.2,<1.5' 'mujoco<3.12'"
            )
        version = metadata.version("mujoco")
        if tuple(map(int, version.split(".")[:2])) >= (3, 12):
            return f"gymnasium-robotics fails with mujoco {version}. Mend it with: pip install 'mujoco<3.12'"
        return gl_missing()

    def reset(self, seed: int) -> None:
        observation, _ = self._simulator.reset(
            seed=seed
        )  # goes through a SeedSequence there, so any non-negative integer will do
        self._readings = observation["observation"][:ROBOT]
        self._completed = set()

    def step(self, action: np.ndarray) -> bool:
        observation, _, _, _, info = self._simulator.step(np.asarray(action, np.float64))
        self._readings = observation["observation"][:ROBOT]
        self._completed.update(info["step_task_completions"])
        return len(self._completed) == len(TASKS)

    def render(self) -> np.ndarray:
        from envs.kitchen.render import front_camera

        return self._open_renderer().render(self._simulator.data.qpos, [front_camera()])

    def proprio(self) -> np.ndarray:
        return self._readings.astype(np.float32)

    def state(self) -> np.ndarray:
        return self._simulator.data.qpos.astype(np.float32)

    def score(self) -> dict[str, float]:
        done = len(self._completed)
        return {
            "tasks": float(min(done, COUNTED)),
            "tasks_raw": float(done),
            **{f"task/{task}": float(task in self._completed) for task in TASKS},
        }

    def expert(self, seed: int) -> Expert:
        from envs.kitchen.arm import Arm
        from envs.kitchen.expert import expert

        simulator = self._simulator
        return expert(Arm(simulator.model, simulator.data, simulator.robot_env.dt), TASKS, lambda: self._completed, seed)

    def describe(self) -> dict[str, str]:
        import os

        self._open_renderer()
        packages = {name: metadata.version(name) for name in ("mujoco", "gymnasium-robotics")}
        return {**packages, "gl": os.environ["MUJOCO_GL"], "gl renderer": gl_renderer()}

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._simulator.close()

    def _open_renderer(self) -> Any:
        from envs.kitchen.render import open_renderer

        if self._renderer is None:
            self._renderer = open_renderer(self._simulator.model, self.config.resolution)
        return self._renderer
