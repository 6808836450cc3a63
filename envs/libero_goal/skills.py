"""The ten tasks as motions of the hand.

World frame: +x away from the robot, +y to its left, +z up; the cabinet stands on the right and opens to the left, the stove on
the left. A motion is a generator of actions: it sees the scene as it is at every step, and ends by itself. The controller moves
the hand by what an action asks for from where the hand is, so a proportional law on the way left is all the control there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from benchmark.envs.libero_goal.simulator import Table

Actions = Iterator[np.ndarray]
Moving = Callable[[], np.ndarray]

OPEN, CLOSED = -1.0, 1.0
MOVE_GAIN, TURN_GAIN = 12.0, 2.0  # action per metre and per radian left
TURN_LIMIT = 0.6
TURNED = 0.15  # rad

BOWL, CHEESE, BOTTLE, PLATE = "akita_black_bowl_1_main", "cream_cheese_1_main", "wine_bottle_1_main", "plate_1_main"
RIM = 0.048  # m from the middle of the bowl to where the fingers go over its wall
LEAN = 0.6  # rad from upright, with which the hand pushes the plate
BEND = 0.15  # m to the right per metre that the plate has still to go: how much its course bends
ON_TABLE = 0.905  # m, lower than the hand can be: it glides on the table at 0.92
# m, heights of the hand that clear what stands below
TRAVEL, ABOVE_DRAWER, ABOVE_CABINET, ABOVE_CABINET_BOTTLE = 1.15, 1.25, 1.28, 1.36


class Skills:
    """Motions for one episode. `pace` in (0, 1] is how fast the demonstrator is; every motion varies around it."""

    def __init__(self, table: Table, rng: np.random.Generator, pace: float):
        self.table, self.rng, self.pace = table, rng, pace
        self.down = self.facing = table.facing
        self.side = rng.choice([-1, 1])  # of the bowl that is gripped

    # ---------------------------------------------------------------------------------------------- elements of motion

    def go(
        self,
        goal: np.ndarray | Moving,
        grip: float,
        near: float = 0.012,
        limit: int = 80,
        speed: float = 1.0,
        until: Callable[[], bool] = lambda: False,
    ) -> Actions:
        """Towards a goal until the hand is `near` or something holds, for at most `limit` steps."""
        pace = speed * self.pace * self.rng.uniform(0.85, 1.0)
        for _ in range(limit):
            offset = (goal() if callable(goal) else goal) - self.table.hand
            turn = Rotation.from_matrix(self.facing @ self.table.facing.T).as_rotvec()
            if until() or (np.linalg.norm(offset) < near and np.linalg.norm(turn) < TURNED):
                return
            move = MOVE_GAIN * offset
            move *= pace / max(pace, float(np.abs(move).max()))
            yield np.array([*move, *np.clip(TURN_GAIN * turn, -TURN_LIMIT, TURN_LIMIT), grip])

    def hold(self, grip: float, steps: int) -> Actions:
        here = self.table.hand
        yield from self.go(here, grip, near=0, limit=steps)

    def grasp(self, point: np.ndarray, above: float = 0.12) -> Actions:
        yield from self.go(point + xyz(0, 0, above) + self.around(0.01), OPEN, near=0.02)
        yield from self.go(point, OPEN, near=0.008, limit=60)
        yield from self.hold(CLOSED, 10)

    def rise(self, height: float, grip: float) -> Actions:
        yield from self.go(np.array([*self.table.hand[:2], height]), grip, near=0.03, limit=40)

    def put(self, point: np.ndarray, height: float) -> Actions:
        """Carry what is held over a point at some height, lower it, let go and withdraw."""
        yield from self.go(np.array([*point[:2], height]), CLOSED, near=0.015)
        yield from self.go(point, CLOSED, limit=50)
        yield from self.hold(OPEN, 8)
        yield from self.rise(height, OPEN)

    def retreat(self) -> Actions:
        """Out of whatever went wrong."""
        yield from self.hold(OPEN, 4)
        yield from self.rise(TRAVEL, OPEN)
        self.facing = self.down
        yield from self.hold(OPEN, 8)

    def around(self, size: float) -> np.ndarray:
        """A random offset, so that no two demonstrations touch a thing at the same spot."""
        return self.rng.uniform(-size, size, 3)

    # ------------------------------------------------------------------------------------------------------- the tasks

    def put_the_bowl_on_the_plate(self) -> Actions:
        self.side = 1  # held on the other, the hand would meet the handles of the drawers
        return self._bowl_to(lambda: self.table.place(PLATE), 0.025, TRAVEL)

    def put_the_bowl_on_the_stove(self) -> Actions:
        return self._bowl_to(lambda: self.table.site("flat_stove_1_cook_region"), 0.03, TRAVEL)

    def put_the_bowl_on_top_of_the_cabinet(self) -> Actions:
        return self._bowl_to(lambda: self.table.site("wooden_cabinet_1_top_side"), 0.02, ABOVE_CABINET)

    def _bowl_to(self, goal: Moving, clearance: float, height: float) -> Actions:
        """One finger inside, one outside of the wall; then all is relative to where the bowl hangs."""
        yield from self.grasp(self.table.place(BOWL) + xyz(0, self.side * RIM, 0.028) + self.around(0.003))
        held = self.table.hand - self.table.place(BOWL)
        yield from self.rise(height, CLOSED)
        yield from self.put(goal() + held + xyz(0, 0, clearance), height)

    def put_the_cream_cheese_in_the_bowl(self) -> Actions:
        """Across its narrowest side, then let it fall."""
        corners = self.table.boxes(CHEESE)
        angles = np.linspace(-np.pi / 2, np.pi / 2, 37)
        widths = [np.ptp(corners[:, :2] @ [np.cos(angle), np.sin(angle)]) for angle in angles]
        opening = self.down[:2, 0]
        turn = angles[int(np.argmin(widths))] - np.arctan2(opening[1], opening[0])
        self.facing = turned("z", (turn + np.pi / 2) % np.pi - np.pi / 2) @ self.down
        middle = (corners[:, :2].max(0) + corners[:, :2].min(0)) / 2
        yield from self.grasp(np.array([*middle, self.table.place(CHEESE)[2]]))
        yield from self.rise(TRAVEL - 0.03, CLOSED)
        yield from self.put(self.table.place(BOWL) + xyz(0, 0, 0.1), TRAVEL - 0.03)

    def put_the_wine_bottle_on_top_of_the_cabinet(self) -> Actions:
        return self._bottle_to(self.table.site("wooden_cabinet_1_top_side") + xyz(0, 0, 0.012))

    def put_the_wine_bottle_on_the_rack(self) -> Actions:
        """Its foot on the upper board, a little way up from the ledge at the board's lower end, where the site is."""
        return self._bottle_to(self.table.site("wine_rack_1_top_region") + xyz(0, -0.035, 0.005))

    def _bottle_to(self, goal: np.ndarray) -> Actions:
        yield from self.grasp(self.table.place(BOTTLE) + xyz(0, 0, 0.135) + self.around(0.003), above=0.16)
        held = self.table.hand - self.table.place(BOTTLE)
        yield from self.rise(ABOVE_CABINET_BOTTLE, CLOSED)
        yield from self.put(goal + xyz(0, 0, held[2]), ABOVE_CABINET_BOTTLE)

    def open_the_middle_drawer_of_the_cabinet(self) -> Actions:
        return self._pull("middle", 1.015)

    def _pull(self, drawer: str, level: float) -> Actions:
        """The hand nearly level, the fingers around the bar from the front; pull, with the height kept."""
        self.facing = turned("x", -np.deg2rad(75)) @ self.down
        ahead = self.facing[:, 2]
        top = self.table.site("wooden_cabinet_1_top_side")
        bar = np.array([top[0] + 0.006, top[1] + 0.118, level]) + self.around(0.003) * xyz(3, 1, 1)
        yield from self.go(bar - 0.14 * ahead, OPEN, near=0.02, limit=110)
        yield from self.go(bar + 0.008 * ahead, OPEN, near=0.008, limit=60)
        yield from self.hold(CLOSED, 14)
        height = self.table.hand[2]

        def outwards() -> np.ndarray:
            return np.array([bar[0], self.table.hand[1] + 0.07, height])

        yield from self.go(
            outwards, CLOSED, limit=80, speed=0.6, until=lambda: self.table.joint(f"wooden_cabinet_1_{drawer}_level") < -0.15
        )

    def push_the_plate_to_the_front_of_the_stove(self) -> Actions:
        """The open fingers straddle the plate from behind: two contacts keep it on course where one would slip round it."""
        front = self.table.site("main_table_stove_front_region") + xyz(0.01, 0.01, 0)

        def course() -> np.ndarray:
            """Bends to the left: straight on, the plate would meet the bowl, and the cheese more than touch."""
            left = front[:2] - self.table.place(PLATE)[:2]
            way = left + BEND * np.array([max(left[1], 0), 0])
            return np.array([*way / np.linalg.norm(way), 0])

        def behind(distance: float, height: float) -> np.ndarray:
            way = course()
            yaw = np.arctan2(way[1], way[0])  # across it, the wrist behind the fingers' backs clear of the drawers' handles
            self.facing = turned("z", yaw - np.pi) @ turned("y", -LEAN) @ self.down
            return np.array([*(self.table.place(PLATE) - distance * way)[:2], height])

        yield from self.go(lambda: behind(0.085, 1.02), OPEN, near=0.02)
        yield from self.go(lambda: behind(0.085, ON_TABLE), OPEN, near=0.02, limit=30)
        yield from self.go(lambda: behind(0.01, ON_TABLE), OPEN, near=0, limit=110, speed=0.5)

    def open_the_top_drawer_and_put_the_bowl_inside(self) -> Actions:
        yield from self._pull("top", 1.089)
        yield from self.hold(OPEN, 6)
        yield from self.go(self.table.hand + xyz(0, 0.06, 0), OPEN, near=0.02, limit=25)
        yield from self._bowl_from_under_the_drawer()
        drawer = self.table.site("wooden_cabinet_1_top_region") + xyz(0, 0.012, 0)  # its back half is within the cabinet
        over = self.table.hand - self.table.place(BOWL) + drawer
        yield from self.go(np.array([*over[:2], ABOVE_DRAWER]), CLOSED, near=0.015)
        held = self.table.hand - self.table.place(BOWL)  # the hand is upright again and the bowl level
        yield from self.put(drawer + held, ABOVE_DRAWER)

    def _bowl_from_under_the_drawer(self) -> Actions:
        """An open drawer covers part of the bowl: the hand takes the rim on the far side, leans away from the drawer as the
        wall there does, and leaves sideways before it rises."""
        self.facing = turned("z", 0.3) @ turned("x", -0.4) @ self.down
        back = -self.facing[:, 2]
        rim = self.table.place(BOWL) + RIM * xyz(-0.3, 0.95, 0) + xyz(0, 0, 0.034)
        yield from self.go(rim + 0.2 * back + xyz(0, 0.05, 0.05), OPEN, near=0.03, limit=60)
        yield from self.go(rim + 0.08 * back, OPEN, near=0.015, limit=60)
        yield from self.go(rim, OPEN, near=0.008, limit=60)
        yield from self.hold(CLOSED, 10)
        yield from self.go(rim + xyz(0, 0.08, 0.02), CLOSED, near=0.02)
        yield from self.rise(ABOVE_DRAWER, CLOSED)
        self.facing = self.down

    def turn_on_the_stove(self) -> Actions:
        """Fingers either side of the knob's bar, then the wrist rolls."""
        knob = self.table.place("flat_stove_1_button") + xyz(0.004, 0.002, 0.035) + self.around(0.003)
        yield from self.go(knob + xyz(0, 0, 0.11), OPEN, near=0.02)
        yield from self.go(knob, OPEN, near=0.01, limit=60)
        yield from self.hold(CLOSED, 10)
        for angle in np.linspace(0.1, 1.4, 14):
            self.facing = turned("z", angle) @ self.down
            yield from self.go(knob, CLOSED, near=0, limit=5)


def xyz(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z])


def turned(axis: str, angle: float) -> np.ndarray:
    return Rotation.from_euler(axis, angle).as_matrix()
