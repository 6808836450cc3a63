"""The seven kitchen tasks as motions of the hand.

Positions are in the world frame of the kitchen: +x to the right, +y into the wall, +z up; the hand keeps its reset orientation
(fingers pointing at the wall, opening sideways) unless a motion says otherwise. A motion is a generator of actions, so it sees
the simulation as it is at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from envs.kitchen.arm import Arm

Actions = Iterator[np.ndarray]
Point = Callable[[], np.ndarray]

OPEN, CLOSED = 1.0, 0.0
LET_GO = 0.065  # m between the fingers: clear of every handle
TURN = {"x": 0, "y": 1, "z": 2}


def turn(axis: str, angle: float) -> np.ndarray:
    return Rotation.from_euler(axis, angle).as_matrix()


class Skills:
    """Motions for one episode. `pace` in (0, 1] slows the arm, `spread` scales the random offsets of free waypoints."""

    def __init__(self, arm: Arm, rng: np.random.Generator, pace: float = 1.0, spread: float = 1.0):
        self.arm, self.rng, self.pace, self.spread = arm, rng, pace, spread
        self.data = arm.data
        self.home = self.facing = arm.rotation

    # ------------------------------------------------------------------------------------------------- the scene

    def site(self, name: str) -> np.ndarray:
        return self.data.site(name).xpos.copy()

    def joint(self, name: str) -> float:
        return float(self.data.joint(name).qpos[0])

    def offset(self, size: float) -> np.ndarray:
        return self.spread * self.rng.uniform(-size, size, 3)

    # ------------------------------------------------------------------------------------------------ primitives

    def face(self, yaw: float, pitch: float) -> None:
        """Which way the fingers point from now on: `yaw` > 0 to the left, `pitch` > 0 up, both zero straight at the wall."""
        self.facing = turn("z", yaw) @ turn("x", pitch) @ self.home

    def before(self, point, distance, facing=None):
        """Where the hand is when its fingers point at `point` from `distance` away."""
        return point - distance * (self.facing if facing is None else facing)[:, 2]

    def swing(self, goal, grip, within=0.035, limit=60) -> Actions:
        joints = self.arm.posture_at(goal, self.facing)
        for _ in range(limit):
            if np.linalg.norm(goal - self.arm.position) < within:
                return
            yield self.arm.swing(joints, grip, self.pace)

    def go(self, goal, grip, until, limit, facing=None, speed=0.8) -> Actions:
        for _ in range(limit):
            if until():
                return
            yield self.arm.toward(goal(), self.facing if facing is None else facing(), grip, speed, self.pace)

    def enter(self, point: Point, grip, depth=0.03, limit=15):
        def left():
            return (point() - self.arm.position) @ self.facing[:, 2] - depth
        yield from self.go(lambda: self.before(point(), depth - .02), grip, lambda: left() < .005, limit)

    def grasp(self, point: Point, opening, depth=0.03, limit=6):
        yield from self.go(lambda: self.before(point(), depth), CLOSED, lambda: self.arm.opening < opening, limit)

    def release(self, limit=6):
        self.facing, here = self.arm.rotation, self.arm.position
        yield from self.go(lambda: here, OPEN, lambda: self.arm.opening > LET_GO, limit)

    def retreat(self, distance, grip, limit=10):
        self.facing, start = self.arm.rotation, self.arm.position
        yield from self.go(lambda: self.before(self.arm.position, .15), grip, lambda: np.linalg.norm(self.arm.position - start) > distance, limit)

    # ----------------------------------------------------------------------------------------------------- tasks

    def light_switch(self) -> Actions:
        """Closed fingers right of the lever's tip, short of the knobs behind; push left."""
        self.face(*FACE["light"])
        tip = self.site("light_site") + (0, LD, 0) + self.offset(0.004)
        side = tip + (0.062, 0, 0)
        yield from self.swing(self.before(side, .11)+ self.offset(.008), CLOSED)
        yield from self.enter(lambda: side, CLOSED, .03)
        yield from self.go(lambda: self.before(np.array([self.arm.position[0] - 0.12, *tip[1:]]), .03) , CLOSED, lambda: self.joint("light_switch") < -0.6, 20)
        yield from self.retreat(0.05, CLOSED)

    def slide_cabinet(self) -> Actions:
        if self.joint("right_hinge_cabinet") > .5:
            yield from self._slide_grasped(); return
        self.face(*FACE["slide"])
        s = self.site("slide_site") + self.offset(.006)
        s[2] = 2.50
        left = s + (-.07, 0, 0)
        yield from self.swing(self.before(left, .12)+ self.offset(.015), CLOSED)
        yield from self.enter(lambda: left, CLOSED, .02)
        yield from self.go(lambda: np.array([self.arm.position[0] + 0.1, *self.before(s, .02)[1:]]), CLOSED, lambda: self.joint("slide_cabinet") > 0.25, 30)
        yield from self.go(lambda: self.arm.position + (-0.1, -0.15, 0), CLOSED, lambda: self.arm.position[1] < s[1]-.08, 12)

    def _slide_grasped(self):
        self.face(SY, SP)
        h = lambda: self.site("slide_site")*(1,1,0)+(0,0,SZ)
        yield from self.swing(self.before(h(), .16)+(.05,0,0), OPEN, .03)
        yield from self.enter(h, OPEN, .02)
        yield from self.grasp(h, .05, .02)
        f=lambda: turn("z",-min(SY,2*self.joint("slide_cabinet")))@turn("z",SY)@turn("x",SP)@self.home
        yield from self.go(lambda: self.before(h(),.02,f())+(.1,0,0), CLOSED, lambda: self.joint("slide_cabinet") > 0.22, 40,f)
        yield from self.release()
        yield from self.retreat(.08,OPEN)

    def bottom_burner(self) -> Actions:
        return self._knob("knob2_site", "knob_Joint_2")

    def top_burner(self) -> Actions:
        return self._knob("knob4_site", "knob_Joint_4")

    def _knob(self, site, joint) -> Actions:
        self.face(*FACE["knob"])
        centre = self.site(site) + self.offset(.003)
        yield from self.swing(self.before(centre, .13) + self.offset(.006), OPEN, .03)
        yield from self.enter(lambda: centre, OPEN, .045)
        yield from self.grasp(lambda: centre, .036, .045)
        roll = lambda: turn("y", .5) @ self.arm.rotation
        yield from self.go(lambda: self.before(centre, .045, roll()), CLOSED, lambda: self.joint(joint) < -.8, 30, roll)
        yield from self.release()
        yield from self.retreat(.06, OPEN)

    def microwave(self) -> Actions:
        self.face(*FACE["micro"])
        hinge = self.data.joint("microwave").xanchor.copy()
        h = lambda: np.array([*self.site("microhandle_site")[:2], 1.81])
        yield from self.swing(self.before(h(), .12) + self.offset(.01), OPEN)
        yield from self.enter(h, OPEN, .015)
        yield from self.grasp(h, .05, .015)

        def arc():
            p = hinge + turn("z", -.25) @ (h() - hinge)
            return np.array([*p[:2], 1.81])
        yaw0,pitch=FACE["micro"]
        yield from self.go(arc, CLOSED, lambda: self.joint("microwave") < -.62 or self.arm.opening < .02, 40, lambda: turn("z", yaw0-MK*self.joint("microwave"))@turn("x",pitch)@self.home)
        yield from self.release()
        yield from self.retreat(.08, OPEN)

    def hinge_cabinet(self) -> Actions:
        self.face(*FACE["hinge"])
        hinge = self.data.joint("right_hinge_cabinet").xanchor.copy()
        h = lambda: np.array([*self.site("hinge_site2")[:2], 2.56])
        angle = lambda: self.joint("right_hinge_cabinet")
        yaw = lambda: turn("z", max(0, angle() - 1.0))
        face=self.facing
        yield from self.swing(self.before(h(), .12) + self.offset(.01), OPEN)
        yield from self.enter(h, OPEN, .03)
        yield from self.grasp(h, .05, .02)

        def arc():
            p = hinge + turn("z", .3) @ (h() - hinge)
            return self.before(np.array([*p[:2], 2.56]), .02, yaw()@face)
        yield from self.go(arc, CLOSED, lambda: angle() > 1.25 or self.arm.opening < .02, 50, lambda: yaw() @ face)
        yield from self.release()
        yield from self.retreat(.08, OPEN)
        yield from self.go(lambda: self.arm.position + (0.02, -.05, -.2), OPEN, lambda: self.arm.position[2] < 2.35, 12)

    def kettle(self) -> Actions:
        self.face(*FACE["kettle"])
        goal = np.array([-.23, .75, 1.62])
        k = lambda: self.data.joint("kettle").qpos[:3].copy()
        post = lambda: k() + Rotation.from_quat(self.data.joint("kettle").qpos[3:], scalar_first=True).as_matrix() @ (-.092, 0, .19)
        yield from self.swing(self.before(post(), .13) + self.offset(.01), OPEN)
        yield from self.enter(post, OPEN, .02)
        yield from self.grasp(post, .05, .015)
        yield from self.go(lambda: self.arm.position + (.03, .03, .15), CLOSED, lambda: k()[2] > 1.64, 15)

        def carry():
            e = goal + (0, 0, .03) - k()
            return self.arm.position + e * (2, 1, 1)
        yield from self.go(carry, CLOSED, lambda: k()[1] > .68, 30)
        yield from self.release()
        yield from self.retreat(.12, OPEN)


FACE = {"light": (-.15, 0), "slide": (-.5, 0), "knob": (0, 0), "micro": (.3, -.4), "hinge": (0, .3), "kettle": (-.4, -.35)}
MK = .5; SY=.4; SP=0; SZ=2.56
LD=-.03
