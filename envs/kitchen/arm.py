"""Control of the kitchen's Franka arm through the environment's joint velocity actions.

The environment turns an action `a` into position targets `q + 2 a dt` of damped position servos and holds them for one step
(dt = 0.08 s). A servo with stiffness kp and joint damping d covers only `1 - exp(-kp dt / d)` of that distance (0.50 for the
first four joints, 0.62 for the others), sags under gravity by `bias / kp`, and saturates at `force / d` (about 0.87 rad/s).
All three are read from the model and undone here; what remains follows a commanded velocity to about a millimetre.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

JOINTS = 7
FINGERS = slice(7, 9)
RATE = 2.0  # rad/s (fingers: m/s) that an action of 1 stands for (gymnasium-robotics, FrankaRobot.act_rng)
FINGER_TRAVEL = 0.04  # m
OPEN, CLOSED = 1.0, 0.0

MOVE_GAIN, MOVE_SPEED = 8.0, 0.8  # 1/s from an error in position or joints to a velocity; m/s
TURN_GAIN, TURN_SPEED = 4.0, 2.0  # 1/s, rad/s
POSTURE_GAIN = 0.3  # 1/s, pull of the redundant joint towards the reset posture
DAMPING = 0.05  # of the least-squares inverse: keeps joint speeds finite near singular postures
FINGER_GAIN = 25.0  # 1/s, so stiff that a closed grip presses with all its force
USABLE_SPEED = 0.95  # share of the speed at which a servo saturates
IK_STEPS = 40


class Arm:
    """The arm of a running simulation: where its hand is, and the actions that move it.

    In every motion `grip` is OPEN or CLOSED and `pace` in (0, 1] slows all joints alike.
    """

    def __init__(self, model: Any, data: Any, dt: float):
        self.model, self.data, self.dt = model, data, dt
        self._hand = model.site("end_effector").id
        self._jacobian = np.zeros((6, model.nv))
        self._stiffness = model.actuator_gainprm[:JOINTS, 0]
        self._friction = model.dof_damping[:JOINTS]
        self._force = model.actuator_forcerange[:JOINTS, 1]
        self._response = -np.expm1(-dt * self._stiffness / self._friction)
        self._low, self._high = model.jnt_range[:JOINTS].T
        self.home = data.qpos[:JOINTS].copy()

    @property
    def position(self) -> np.ndarray:
        return self.data.site_xpos[self._hand].copy()

    @property
    def rotation(self) -> np.ndarray:
        """The columns are the hand's axes: the fingers point along the third and open along the first."""
        return self.data.site_xmat[self._hand].reshape(3, 3).copy()

    @property
    def opening(self) -> float:
        """Distance between the fingers in metres."""
        return float(self.data.qpos[FINGERS].sum())

    def straight(self, position: np.ndarray, rotation: np.ndarray, grip: float, pace: float) -> np.ndarray:
        """The action that moves the hand straight towards a pose."""
        offset, angle = self._error(self.data, position, rotation)
        twist = [_limited(MOVE_GAIN * offset, pace * MOVE_SPEED), _limited(TURN_GAIN * angle, pace * TURN_SPEED)]
        return self._action(self._joint_rates(self.data, np.concatenate(twist)), grip, pace)

    def swing(self, joints: np.ndarray, grip: float, pace: float) -> np.ndarray:
        """The action that moves all joints in proportion towards a posture: over long ways faster than a straight line."""
        return self._action(MOVE_GAIN * (joints - self.data.qpos[:JOINTS]), grip, pace)

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

    def _error(self, data: Any, position: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        present = data.site_xmat[self._hand].reshape(3, 3)
        return position - data.site_xpos[self._hand], Rotation.from_matrix(rotation @ present.T).as_rotvec()

    def _action(self, rates: np.ndarray, grip: float, pace: float) -> np.ndarray:
        bias = self.data.qfrc_bias[:JOINTS]
        limit = USABLE_SPEED * pace * (self._force - np.sign(rates) * bias) / self._friction
        rates = rates * min(1.0, float((limit / np.maximum(np.abs(rates), 1e-9)).min()))
        arm = rates / self._response + bias / (self._stiffness * self.dt)
        fingers = FINGER_GAIN * (FINGER_TRAVEL * grip - self.data.qpos[FINGERS])
        return np.clip(np.concatenate([arm, fingers]) / RATE, -1, 1)

    def _joint_rates(self, data: Any, twist: np.ndarray) -> np.ndarray:
        """Damped least squares around a pull to the reset posture. A joint that would leave its range stops at its bound and
        the others take over: the shoulder rests at its limit whenever the hand is low."""
        mujoco.mj_jacSite(self.model, data, self._jacobian[:3], self._jacobian[3:], self._hand)
        jacobian, joints = self._jacobian[:, :JOINTS], data.qpos[:JOINTS]
        slowest = np.minimum((self._low - joints) / self.dt, 0)
        fastest = np.maximum((self._high - joints) / self.dt, 0)
        posture = POSTURE_GAIN * (self.home - joints)
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


def _limited(vector: np.ndarray, length: float) -> np.ndarray:
    return vector * min(1.0, length / max(float(np.linalg.norm(vector)), 1e-9))
