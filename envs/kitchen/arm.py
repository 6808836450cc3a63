"""Cartesian control of the kitchen's Franka arm through the environment's joint velocity actions.

The environment turns an action `a` into position targets `q + 2 a dt` of damped position servos and holds them for one step
(dt = 0.08 s). A servo with stiffness kp and joint damping d covers only `1 - exp(-kp dt / d)` of that distance (0.50 for the
first four joints, 0.62 for the others), sags under gravity by `bias / kp`, and saturates at `force / d` (about 0.87 rad/s).
All three are read from the model and undone here, which leaves an accurate resolved-rate controller: no integral terms.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

JOINTS = 7
RATE = 2.0  # rad/s that an action of 1 stands for (gymnasium-robotics, FrankaRobot.act_rng)
FINGER_OPEN = 0.04  # m, travel of one finger

APPROACH_GAIN = 8.0  # 1/s, position error -> velocity
TURN_GAIN = 4.0  # 1/s, orientation error -> angular velocity
TURN_SPEED = 2.0  # rad/s
POSTURE_GAIN = 0.3  # 1/s, pull of the redundant joint towards the reset posture
DAMPING = 0.05  # of the least-squares inverse, keeps joint speeds finite near singular postures
FINGER_GAIN = 25.0  # 1/s, so stiff that a closed grip commands its full force
IK_STEPS = 40
USABLE_SPEED = 0.95  # share of the servos' saturation speed


class Arm:
    """The Franka arm of a running simulation: where the hand is, and the action that moves it."""

    def __init__(self, model: Any, data: Any, dt: float):
        self.model, self.data, self.dt = model, data, dt
        self._site = model.site("end_effector").id
        self._jacobian = np.zeros((6, model.nv))
        self._stiffness = model.actuator_gainprm[:JOINTS, 0]
        self._friction = model.dof_damping[:JOINTS]
        self._force = model.actuator_forcerange[:JOINTS, 1]
        self._response = -np.expm1(-dt * self._stiffness / self._friction)
        self._low, self._high = model.jnt_range[:JOINTS].T
        self._posture = data.qpos[:JOINTS].copy()
        self.home_rotation = self.rotation

    @property
    def position(self) -> np.ndarray:
        return self.data.site_xpos[self._site].copy()

    @property
    def rotation(self) -> np.ndarray:
        """Columns are the hand's axes; the fingers point along the third and open along the first."""
        return self.data.site_xmat[self._site].reshape(3, 3).copy()

    @property
    def opening(self) -> float:
        """Distance between the fingers."""
        return float(self.data.qpos[JOINTS : JOINTS + 2].sum())

    def toward(self, position: np.ndarray, rotation: np.ndarray, grip: float, speed: float, pace: float) -> np.ndarray:
        """The action that moves the hand straight towards a pose.

        `grip` is 0 for closed, 1 for open; `speed` limits the hand in m/s; `pace` in (0, 1] slows all joints alike.
        """
        offset, angle = self._error(self.data, position, rotation)
        twist = np.concatenate([_limited(APPROACH_GAIN * offset, speed * pace), _limited(TURN_GAIN * angle, TURN_SPEED * pace)])
        return self._action(self._joint_rates(self.data, twist), grip, pace)

    def swing(self, joints: np.ndarray, grip: float, pace: float) -> np.ndarray:
        """The action that moves all joints together towards a posture: faster over long ways than a straight line."""
        return self._action(APPROACH_GAIN * (joints - self.data.qpos[:JOINTS]), grip, pace)

    def posture_at(self, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Joint angles that put the hand at a pose, found by walking there from the present ones without dynamics."""
        ghost = mujoco.MjData(self.model)
        ghost.qpos[:] = self.data.qpos
        for _ in range(IK_STEPS):
            mujoco.mj_kinematics(self.model, ghost)
            mujoco.mj_comPos(self.model, ghost)
            offset, angle = self._error(ghost, position, rotation)
            twist = np.concatenate([_limited(offset, 0.08), _limited(angle, 0.16)]) / self.dt
            ghost.qpos[:JOINTS] += self._joint_rates(ghost, twist) * self.dt
        return ghost.qpos[:JOINTS].copy()

    def _error(self, data, position, rotation):
        present = data.site_xmat[self._site].reshape(3, 3)
        return position - data.site_xpos[self._site], Rotation.from_matrix(rotation @ present.T).as_rotvec()

    def _action(self, rates, grip, pace):
        rates = rates * self._slowdown(rates, pace)
        droop = self.data.qfrc_bias[:JOINTS] / (self._stiffness * self.dt)
        fingers = FINGER_GAIN * (FINGER_OPEN * grip - self.data.qpos[JOINTS : JOINTS + 2])
        return np.clip(np.concatenate([rates / self._response + droop, fingers]) / RATE, -1, 1)

    def _joint_rates(self, data, twist: np.ndarray) -> np.ndarray:
        """Damped least squares around the posture pull; a joint that would leave its range is stopped at its bound and the
        others take over (the low handles are reached with the shoulder at its limit)."""
        mujoco.mj_jacSite(self.model, data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, :JOINTS]
        joints = data.qpos[:JOINTS]
        slowest = np.minimum((self._low - joints) / self.dt, 0)
        fastest = np.maximum((self._high - joints) / self.dt, 0)
        posture = POSTURE_GAIN * (self._posture - joints)
        rates, stopped = posture, np.zeros(JOINTS, bool)
        while True:
            rates = np.where(stopped, rates, posture)
            part = jacobian[:, ~stopped]
            rates[~stopped] += part.T @ np.linalg.solve(part @ part.T + DAMPING**2 * np.eye(6), twist - jacobian @ rates)
            beyond = ~stopped & ((rates < slowest) | (rates > fastest))
            if not beyond.any():
                return rates
            rates = np.clip(rates, slowest, fastest)
            stopped |= beyond

    def _slowdown(self, rates: np.ndarray, pace: float) -> float:
        """The factor that keeps every joint below the speed at which its servo saturates, gravity included."""
        bias = np.where(rates > 0, 1, -1) * self.data.qfrc_bias[:JOINTS]
        limit = USABLE_SPEED * pace * (self._force - bias) / self._friction
        return min(1.0, float((limit / np.maximum(np.abs(rates), 1e-9)).min()))


def _limited(vector: np.ndarray, length: float) -> np.ndarray:
    return vector * min(1.0, length / max(float(np.linalg.norm(vector)), 1e-9))
