"""Franka Kitchen: a robot arm among seven things to do, as the DynaMo paper evaluates it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from benchmark.contracts.environment import EnvConfig, Expert, Simulator
from benchmark.contracts.specs import ActionSpec, EnvSpec, require
from benchmark.core.errors import UnknownName
from benchmark.core.seeds import numpy_rng
from benchmark.envs.kitchen.tasks import COUNTED, PLANS, TASKS, too_late
from benchmark.simulation.drawing import gl_missing

if TYPE_CHECKING:
    from benchmark.simulation.drawing import Renderer

__all__ = ["Kitchen"]

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
    plans: str = "human"  # human: each demonstration one of the 24 plans of the human data | random: any four in any order
    order: tuple[str, ...] = ()  # what every demonstration does instead, e.g. [microwave,kettle]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plans not in PLANS:
            raise UnknownName("kitchen plans", self.plans, PLANS)
        self.order = tuple(str(task).replace("_", " ") for task in self.order)
        for task in self.order:
            if task not in TASKS:
                raise UnknownName("kitchen task", task, TASKS)
        require(len(set(self.order)) == len(self.order) <= COUNTED, f"env.kitchen.order takes up to {COUNTED} tasks, each once")
        require(not (late := too_late(self.order)), f"the open hinge cabinet is in the way of: {', '.join(sorted(late))}")


class Kitchen(Simulator):
    """FrankaKitchen-v1 of gymnasium-robotics: nine joint velocities at 12.5 Hz, 280 steps, seven tasks in any order.

    A task counts once, when its joints come within 0.3 of the goal; an episode ends early only when all seven are done
    (DynaMo release, envs/sim_kitchen.py). The physics are those of the stock environment, which steers from *noisy* readings
    of its joints: the noise stays, drawn from the episode's seed alone. `proprio` is that noisy reading, `state` is exact.

    Demonstrations follow the plans of the human data, but for one swap: after the cabinet's hinged door the slide is out of the
    scripted expert's reach, so that where humans open both, it slides first. With four tasks in any order (`plans=random`, 632
    orders) even the simulator's state does not tell what comes next, and no encoder can score high.
    """

    name = "kitchen"
    title = "Franka Kitchen"
    memory = (455, 100)  # meshes of 140 000 faces; 279 without drawing
    Config = KitchenConfig
    presets = {
        "smoke": {"resolution": 64, "episodes": 3},
        "quick": {"resolution": 96, "episodes": 128},
        "standard": {"resolution": 96, "episodes": 250},
        "paper": {"resolution": 224, "episodes": 566},
    }
    source = "DynaMo section 4.1 and Table 1; Gupta et al. 2019, Relay Policy Learning; gymnasium-robotics"

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
            action=ActionSpec(
                low=(-1.0,) * 9,
                high=(1.0,) * 9,
                names=(*(f"joint{i}" for i in range(1, 8)), "finger1", "finger2"),
                representation="velocity",
                of="joints of arm and fingers",
                frame="joint",
                units="2 rad/s, fingers 2 m/s",  # gymnasium-robotics, FrankaRobot.act_rng
                gripper="positive opens, negative closes",
            ),
            proprio_dim=ROBOT,
            state_names=STATE_NAMES,
            hz=12.5,
            max_steps=280,
            metric="tasks",
            metric_range=(0.0, float(COUNTED)),
            expert_target=3.9,
            state_target=3.0,  # our choice: three of the four tasks
            tasks=TASKS,
        )

    @classmethod
    def unavailable_reason(cls, config: KitchenConfig) -> str | None:
        absent = [name for name in ("mujoco", "gymnasium", "gymnasium_robotics") if importlib.util.find_spec(name) is None]
        if absent:
            packages = "'gymnasium-robotics>=1.4.2,<1.5' 'mujoco>=3.3,<3.12'"
            return f"not installed: {', '.join(absent)}. Fix it with: python -m pip install {packages}"
        version = metadata.version("mujoco")
        if tuple(map(int, version.split(".")[:2])) >= (3, 12):
            return f"gymnasium-robotics fails with mujoco {version}. Fix it with: python -m pip install 'mujoco>=3.3,<3.12'"
        return gl_missing()

    def reset(self, seed: int) -> None:
        observation, _ = self._simulator.reset(seed=seed)  # seeds of any size: they go through a numpy SeedSequence there
        self._readings = observation["observation"][:ROBOT]
        self._completed = set()

    def step(self, action: np.ndarray) -> bool:
        observation, _, _, _, info = self._simulator.step(np.asarray(action, np.float64))
        self._readings = observation["observation"][:ROBOT]
        self._completed.update(info["step_task_completions"])
        return len(self._completed) == len(TASKS)

    def render(self) -> np.ndarray:
        from benchmark.envs.kitchen.render import front_camera, open_renderer

        if self._renderer is None:
            self._renderer = open_renderer(self._simulator.model, self.config.resolution)
        return self._renderer.render(self._simulator.data.qpos, [front_camera()])

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
        from benchmark.envs.kitchen.arm import Arm
        from benchmark.envs.kitchen.expert import KitchenExpert, draw_plan

        rng = numpy_rng("kitchen expert", seed)
        arm = Arm(self._simulator.model, self._simulator.data, self._simulator.robot_env.dt)
        order = self.config.order or draw_plan(self.config.plans, rng)
        return KitchenExpert(arm, order, lambda: self._completed, rng)

    def describe(self) -> dict[str, str]:
        packages = {name: metadata.version(name) for name in ("mujoco", "gymnasium-robotics")}
        return packages if self._renderer is None else packages | self._renderer.describe()

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._simulator.close()
