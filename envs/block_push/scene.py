"""The scene in PyBullet: an xArm 6 with a tip that pushes, two blocks and two targets on a floor.

The arm comes with pybullet_data; the rest is made of primitive shapes with the sizes, masses, frictions and colours of the
released assets, save for a simpler tip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pybullet
from pybullet_utils.bullet_client import BulletClient

from benchmark.envs.block_push import cameras
from benchmark.envs.block_push.arm import write_arm
from benchmark.envs.block_push.layout import EFFECTOR_START, WORKSPACE, Layout

SUBSTEPS = 24  # of 1/240 s: control at 10 Hz
SETTLE = 100  # substeps after a reset
HEIGHT = 0.06  # of the effector above the table
DOWN = pybullet.getQuaternionFromEuler([0, math.pi, 0])
START_JOINTS = (-0.92546325, 0.69907707, -1.10662906, 0.00066534, 0.39879697, -4.06340207)  # effector at (0.3, -0.4, 0.07)
FORCE = 5 * 240.0
TIP_RADIUS, TIP_LENGTH = 0.005, 0.052
BLOCK_HALF = 0.02
BLOCK_COLOURS = ((1.0, 0.3412, 0.3490, 1.0), (0.3412, 1.0, 0.3490, 1.0))
TARGET_HALF, TARGET_RIM = 0.06, 0.006
TARGET_COLOURS = ((0.0, 1.0, 0.0, 1.0), (1.0, 0.0, 0.0, 1.0))


class Scene:
    def __init__(self) -> None:
        self._bullet = bullet = BulletClient(pybullet.DIRECT)
        bullet.setGravity(0, 0, -9.8)
        bullet.changeVisualShape(cameras.load_floor(bullet), -1, rgbaColor=[0] * 4)
        with TemporaryDirectory() as folder:
            self._arm = bullet.loadURDF(str(write_arm(Path(folder))), useFixedBase=True)
        joints = range(bullet.getNumJoints(self._arm))
        self._joints = [j for j in joints if bullet.getJointInfo(self._arm, j)[2] == pybullet.JOINT_REVOLUTE]
        self._effector = self._joints[-1]
        self._set_joints()
        self._attach_tip()
        self._targets = [self._target(colour) for colour in TARGET_COLOURS]
        self._blocks = [self._block(colour) for colour in BLOCK_COLOURS]
        self._pristine = bullet.saveState()
        self.command = EFFECTOR_START
        self.targets = np.zeros((2, 2))

    def reset(self, layout: Layout) -> None:
        self._bullet.restoreState(self._pristine)
        self._set_joints()
        self._aim(EFFECTOR_START)
        for body, (x, y, yaw) in zip(self._blocks, layout.blocks, strict=True):
            self._bullet.resetBasePositionAndOrientation(body, [x, y, BLOCK_HALF], _quaternion(yaw))
        for body, (x, y, yaw) in zip(self._targets, layout.targets, strict=True):
            self._bullet.resetBasePositionAndOrientation(body, [x, y, 0.002], _quaternion(yaw))
        self.targets = layout.targets[:, :2].copy()
        self._simulate(SETTLE)

    def move(self, displacement: np.ndarray) -> None:
        """One control step: move the commanded position of the effector by so many metres, within the workspace."""
        self._aim(np.clip(self.command + displacement, *WORKSPACE))
        self._simulate(SUBSTEPS)

    @property
    def effector(self) -> np.ndarray:
        """Where the effector is; it follows `command` with a lag."""
        return np.array(self._bullet.getLinkState(self._arm, self._effector, computeForwardKinematics=1)[4][:2])

    @property
    def blocks(self) -> np.ndarray:
        """(2, 3) x, y, yaw."""
        poses = [self._bullet.getBasePositionAndOrientation(body) for body in self._blocks]
        return np.array([[*at[:2], self._bullet.getEulerFromQuaternion(facing)[2]] for at, facing in poses])

    def images(self, side: int) -> np.ndarray:
        """(2, side, side, 3), in the order of `cameras.CAMERAS`."""
        return cameras.images(self._bullet, side)

    def close(self) -> None:
        self._bullet.disconnect()

    def _aim(self, position: np.ndarray) -> None:
        """Solve for the joints that bring the effector above a point, and make them the motors' goal."""
        self.command = position
        joints = self._bullet.calculateInverseKinematics(
            self._arm, self._effector, [*position, HEIGHT], DOWN, maxNumIterations=100, residualThreshold=1e-6
        )
        self._bullet.setJointMotorControlArray(
            self._arm, self._joints, pybullet.POSITION_CONTROL, targetPositions=joints, forces=[FORCE] * len(joints)
        )

    def _simulate(self, substeps: int) -> None:
        for _ in range(substeps):
            self._bullet.stepSimulation()

    def _set_joints(self) -> None:
        for joint, angle in zip(self._joints, START_JOINTS, strict=True):
            self._bullet.resetJointState(self._arm, joint, angle)

    def _attach_tip(self) -> None:
        """A thin stick below the last link; it touches the blocks and nothing of the arm."""
        bullet, middle = self._bullet, [0, 0, TIP_LENGTH / 2]
        shape = bullet.createCollisionShape(
            pybullet.GEOM_CYLINDER, radius=TIP_RADIUS, height=TIP_LENGTH, collisionFramePosition=middle
        )
        look = bullet.createVisualShape(
            pybullet.GEOM_CYLINDER,
            radius=1.6 * TIP_RADIUS,  # drawn thicker than it is, to be seen in small images
            length=TIP_LENGTH,
            visualFramePosition=middle,
            rgbaColor=[0.18, 0.506, 0.773, 1],
        )
        link = bullet.getLinkState(self._arm, self._effector, computeForwardKinematics=1)
        tip = bullet.createMultiBody(0.1, shape, look, link[4], link[5])
        bullet.changeDynamics(tip, -1, lateralFriction=1.0)
        joint = bullet.createConstraint(self._arm, self._effector, tip, -1, pybullet.JOINT_FIXED, [0] * 3, [0] * 3, [0] * 3)
        bullet.changeConstraint(joint, maxForce=50)
        for part in range(-1, bullet.getNumJoints(self._arm)):
            bullet.setCollisionFilterPair(self._arm, tip, part, -1, 0)

    def _block(self, colour: Sequence[float]) -> int:
        shape = self._bullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=[BLOCK_HALF] * 3)
        look = self._bullet.createVisualShape(pybullet.GEOM_BOX, halfExtents=[BLOCK_HALF] * 3, rgbaColor=colour)
        body = self._bullet.createMultiBody(0.01, shape, look, [0, 0, BLOCK_HALF])
        self._bullet.changeDynamics(body, -1, lateralFriction=1.0, rollingFriction=0.0001)
        return body

    def _target(self, colour: Sequence[float]) -> int:
        """A square frame to look at; nothing collides with it."""
        middle, half = TARGET_HALF - TARGET_RIM / 2, TARGET_RIM / 2
        sides = [([TARGET_HALF, half, 0.001], [0, s * middle, 0]) for s in (1, -1)]
        sides += [([half, TARGET_HALF, 0.001], [s * middle, 0, 0]) for s in (1, -1)]
        look = self._bullet.createVisualShapeArray(
            [pybullet.GEOM_BOX] * 4,
            halfExtents=[size for size, _ in sides],
            visualFramePositions=[at for _, at in sides],
            rgbaColors=[colour] * 4,
        )
        return self._bullet.createMultiBody(0, -1, look)


def _quaternion(yaw: float) -> tuple[float, ...]:
    return pybullet.getQuaternionFromEuler([0, 0, yaw])
