"""The seven kitchen tasks as motions of the hand.

World frame: +x to the right, +y into the wall, +z up. A motion is a generator of actions: it sees the simulation as it is at
every step, and ends by itself. Which way the fingers point in a task was chosen for short ways between the tasks and distance
from joint limits; where they touch follows from the shapes of the handles in the model of gymnasium-robotics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from benchmark.envs.kitchen.arm import CLOSED, OPEN, Arm

Actions = Iterator[np.ndarray]
Moving = Callable[[], np.ndarray]  # a point, or a rotation matrix, that changes with the scene

APPROACH = 0.12  # m in front of a handle, where a long way ends and careful motion begins
ARRIVED = 0.035  # m
GRIPPED = 0.05  # m between the fingers: below it they are around any of the round handles
RELEASED = 0.065  # m between the fingers: above it they are clear of any handle
SLIPPED = 0.02  # m between the fingers: below it the handle is no longer between them
KETTLE_GOAL = np.array([-0.23, 0.75, 1.62])  # gymnasium-robotics, OBS_ELEMENT_GOALS


class Skills:
    """Motions for one episode. `pace` in (0, 1] is how fast the demonstrator is; every motion varies around it."""

    def __init__(self, arm: Arm, rng: np.random.Generator, pace: float):
        self.arm, self.rng, self.data = arm, rng, arm.data
        self.pace = pace
        self.facing = self._ahead = arm.rotation  # the fingers point at the wall and open sideways

    # ------------------------------------------------------------------------------------------------- the scene

    def site(self, name: str, z: float | None = None) -> np.ndarray:
        x, y, height = self.data.site(name).xpos
        return np.array([x, y, height if z is None else z])

    def joint(self, name: str) -> float:
        return float(self.data.joint(name).qpos[0])

    def around(self, size: float) -> np.ndarray:
        """A random offset, so that no two demonstrations touch a thing at the same spot."""
        return self.rng.uniform(-size, size, 3)

    # ---------------------------------------------------------------------------------------------- elements of motion

    def face(self, yaw: float = 0.0, pitch: float = 0.0) -> None:
        """Where the fingers point from now on: positive `yaw` to the left, positive `pitch` up."""
        self.facing = turn("z", yaw) @ turn("x", pitch) @ self._ahead

    def before(self, point: np.ndarray, distance: float, facing: np.ndarray | None = None) -> np.ndarray:
        """Where the hand is when its fingers point at `point` from `distance` away (the fingertips are 5 cm ahead of it)."""
        return point - distance * (self.facing if facing is None else facing)[:, 2]

    def straight(
        self, goal: Moving, grip: float, until: Callable[[], bool], limit: int, facing: Moving | None = None
    ) -> Actions:
        """Towards a goal until something holds, for at most `limit` steps."""
        pace = self._varied_pace()
        for _ in range(limit):
            if until():
                return
            yield self.arm.straight(goal(), self.facing if facing is None else facing(), grip, pace)

    def swing(self, goal: np.ndarray, grip: float) -> Actions:
        """The long way to a point in front of a handle."""
        joints, pace = self.arm.posture_at(goal, self.facing), self._varied_pace()
        for _ in range(60):
            if self._distance(goal) < ARRIVED:
                return
            yield self.arm.swing(joints, grip, pace)

    def home(self) -> Actions:
        """Out of whatever went wrong, some way back to the reset posture."""
        for _ in range(15):
            yield self.arm.swing(self.arm.home, OPEN, self.pace)

    def enter(self, point: Moving, depth: float, grip: float) -> Actions:
        """Along the fingers until the hand is `depth` away from a point."""

        def arrived() -> bool:
            return (point() - self.arm.position) @ self.facing[:, 2] < depth + 0.005

        yield from self.straight(lambda: self.before(point(), depth - 0.02), grip, arrived, 15)

    def grasp(self, point: Moving, depth: float, gripped: float = GRIPPED) -> Actions:
        yield from self.straight(lambda: self.before(point(), depth), CLOSED, lambda: self.arm.opening < gripped, 6)

    def leave(self, distance: float, grip: float) -> Actions:
        """Let go if need be, then back out level, not to lift what was held."""
        self.facing, here = self.arm.rotation, self.arm.position
        if grip == OPEN:
            yield from self.straight(lambda: here, OPEN, lambda: self.arm.opening > RELEASED, 6)
        back = -0.15 * self.facing[:, 2] * xyz(1, 1, 0)
        yield from self.straight(lambda: self.arm.position + back, grip, lambda: self._distance(here) > distance, 10)

    def _distance(self, point: np.ndarray) -> float:
        return float(np.linalg.norm(point - self.arm.position))

    def _varied_pace(self) -> float:
        return self.pace * self.rng.uniform(0.85, 1.0)

    # ------------------------------------------------------------------------------------------------------- the tasks

    def bottom_burner(self) -> Actions:
        return self._knob("knob2_site", "knob_Joint_2")

    def top_burner(self) -> Actions:
        return self._knob("knob4_site", "knob_Joint_4")

    def _knob(self, site: str, joint: str) -> Actions:
        """Pinch the knob's bar and roll the wrist. Straight ahead, or the fingers open against the bar while rolling."""
        self.face()
        knob = self.site(site) + self.around(0.003)

        def rolled() -> np.ndarray:
            return turn("y", 0.5) @ self.arm.rotation

        yield from self.swing(self.before(knob, APPROACH) + self.around(0.008), OPEN)
        yield from self.enter(lambda: knob, 0.045, OPEN)
        yield from self.grasp(lambda: knob, 0.045, gripped=0.036)
        centred = self.before(knob, 0.045)
        yield from self.straight(lambda: centred, CLOSED, lambda: self.joint(joint) < -0.85, 30, rolled)
        yield from self.leave(0.06, OPEN)

    def light_switch(self) -> Actions:
        """Push the lever to the left with closed fingers that pass the knobs right of it."""
        self.face(yaw=-0.15)
        lever = self.site("light_site") - xyz(0, 0.03, -0.004) + self.around(0.004)
        side = lever + xyz(0.062, 0, 0)

        def leftwards() -> np.ndarray:
            return np.array([self.arm.position[0] - 0.08, *self.before(lever, 0.03)[1:]])

        yield from self.swing(self.before(side, APPROACH) + self.around(0.01), CLOSED)
        yield from self.enter(lambda: side, 0.03, CLOSED)
        yield from self.straight(leftwards, CLOSED, lambda: self.joint("light_switch") < -0.65, 25)
        yield from self.leave(0.05, CLOSED)

    def slide_cabinet(self) -> Actions:
        """Push the low end of the handle to the right with closed fingers."""
        self.face(yaw=-0.5)
        handle = self.site("slide_site", z=2.5) + self.around(0.006)
        side = handle - xyz(0.07, 0, 0)

        def rightwards() -> np.ndarray:
            return np.array([self.arm.position[0] + 0.1, *self.before(handle, 0.02)[1:]])

        def away() -> np.ndarray:
            return self.arm.position - xyz(0.1, 0.15, 0)

        yield from self.swing(self.before(side, APPROACH) + self.around(0.015), CLOSED)
        yield from self.enter(lambda: side, 0.02, CLOSED)
        yield from self.straight(rightwards, CLOSED, lambda: self.joint("slide_cabinet") > 0.3, 35)
        yield from self.straight(away, CLOSED, lambda: self.arm.position[1] < handle[1] - 0.08, 10)

    def hinge_cabinet(self) -> Actions:
        """Grip the right door's bar between its two stems and follow its arc, turning along from one radian on. Then get below
        the open door, which is in every way from there."""
        self.face(pitch=0.3)
        start, hinge = self.facing, self.data.joint("right_hinge_cabinet").xanchor.copy()

        def angle() -> float:
            return self.joint("right_hinge_cabinet")

        def bar() -> np.ndarray:
            return self.site("hinge_site2", z=2.56)

        def facing() -> np.ndarray:
            return turn("z", max(0.0, angle() - 1.0)) @ start

        def open_or_lost() -> bool:
            return angle() > 1.3 or self.arm.opening < SLIPPED

        yield from self.swing(self.before(bar(), APPROACH) + self.around(0.012), OPEN)
        yield from self.enter(bar, 0.01, OPEN)
        yield from self.grasp(bar, 0.0)
        yield from self.straight(lambda: about(hinge, 0.25, bar()), CLOSED, open_or_lost, 50, facing)
        yield from self.leave(0.08, OPEN)
        below = self.arm.position + xyz(0.02, -0.05, -0.3)
        yield from self.straight(lambda: below, OPEN, lambda: self.arm.position[2] < 2.4, 10)

    def microwave(self) -> Actions:
        """Grip the door's bar and pull it along its arc, the hand coming more and more from the right."""
        self.face(yaw=0.3, pitch=-0.4)
        start, hinge = self.facing, self.data.joint("microwave").xanchor.copy()

        def angle() -> float:
            return self.joint("microwave")

        def bar() -> np.ndarray:
            return self.site("microhandle_site", z=1.81)

        def facing() -> np.ndarray:
            return turn("z", -0.5 * angle()) @ start

        def open_or_lost() -> bool:
            return angle() < -0.68 or self.arm.opening < SLIPPED

        yield from self.swing(self.before(bar(), APPROACH) + self.around(0.012), OPEN)
        yield from self.enter(bar, 0.015, OPEN)
        yield from self.grasp(bar, 0.015)
        yield from self.straight(lambda: about(hinge, -0.25, bar()), CLOSED, open_or_lost, 40, facing)
        yield from self.leave(0.1, OPEN)

    def kettle(self) -> Actions:
        """Grip the left post of the handle, lift the kettle a little and carry it to the burner behind: to the right first,
        past the corner of the microwave."""
        self.face(yaw=-0.2, pitch=-0.35)
        pose = self.data.joint("kettle").qpos  # a view, it follows the kettle

        def post() -> np.ndarray:
            return pose[:3] + Rotation.from_quat(pose[3:], scalar_first=True).apply(xyz(-0.092, 0, 0.17))

        def carried() -> np.ndarray:
            return self.arm.position + (KETTLE_GOAL + xyz(0.02, 0, 0.02) - pose[:3]) * xyz(2, 1, 1)

        yield from self.swing(self.before(post(), APPROACH) + self.around(0.012), OPEN)
        yield from self.enter(post, 0.02, OPEN)
        yield from self.grasp(post, 0.015)
        lifted = self.arm.position + xyz(0.03, 0.03, 0.15)
        yield from self.straight(lambda: lifted, CLOSED, lambda: pose[2] > KETTLE_GOAL[2] + 0.015, 15)
        yield from self.straight(carried, CLOSED, lambda: pose[1] > KETTLE_GOAL[1] - 0.06, 35)
        lowered = self.arm.position - xyz(0, 0, 0.1)
        yield from self.straight(lambda: lowered, OPEN, lambda: self.arm.position[2] < KETTLE_GOAL[2] + 0.18, 8)
        yield from self.leave(0.16, OPEN)


def xyz(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z])


def turn(axis: str, angle: float) -> np.ndarray:
    return Rotation.from_euler(axis, angle).as_matrix()


def about(hinge: np.ndarray, angle: float, point: np.ndarray) -> np.ndarray:
    """A point turned about a vertical hinge."""
    return np.array([*(hinge + turn("z", angle) @ (point - hinge))[:2], point[2]])
