"""The scripted demonstrator of Push-T: a greedy planner over straight pushes.

It draws random pushes (a contact point, a direction, a speed), tries each on a table of its own, takes the one that brings the
block closest to the goal per step of effort, walks around the block to the contact point, pushes as long as the trial says it
helps, and looks again. Random draws make its demonstrations as varied as the ways there are to solve the task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse.csgraph import dijkstra

from benchmark.contracts.environment import Expert
from benchmark.envs.pusht.geometry import AGENT_RADIUS, GOAL, OUTLINE, TABLE, place, turn
from benchmark.envs.pusht.simulator import Table

ENOUGH = 0.975  # coverage at which it stops, safely above success
CANDIDATES = 48
NEAR = 12.0  # mean distance of the block's points from the goal below which it pushes gently and squarely
CLEARANCE = AGENT_RADIUS + 4  # between the agent's centre and the block while it walks
RING = AGENT_RADIUS + 8  # where the corners of its walks lie
STRIDE = 45.0  # how far ahead of the agent the target runs while it walks
PATIENCE = 4  # steps a trial goes on without improvement
LONGEST = 30  # steps of a push
TRIES = 25  # times without a promising push before it gives up

MARKS = np.concatenate([OUTLINE, [[0, 60], [0, 90]]])
GOAL_MARKS = place(MARKS, GOAL)
CORNER_AFTER = np.roll(OUTLINE, -1, axis=0)
EDGES = CORNER_AFTER - OUTLINE
LENGTHS = np.linalg.norm(EDGES, axis=1)
OUTWARD = np.stack([EDGES[:, 1], -EDGES[:, 0]], axis=1) / LENGTHS[:, None]  # the corners run counter-clockwise


@dataclass(frozen=True)
class Push:
    start: np.ndarray  # of the agent's centre
    outward: np.ndarray  # away from the block at the contact
    direction: np.ndarray
    pace: float  # pixels per step

    def target(self, step: int) -> np.ndarray:
        """Where the agent is sent at a step of the push, from 1."""
        return np.clip(self.start + self.direction * (self.pace * step + 2), 12, TABLE - 12)


class Planner(Expert):
    def __init__(self, table: Table, rng: np.random.Generator):
        self._table, self._rng = table, rng
        self._trial = Table()
        self._trial.reset(0)
        self._actions = self._play()

    def act(self) -> np.ndarray | None:
        return next(self._actions, None)

    def _play(self) -> Iterator[np.ndarray]:
        tries = 0
        while self._table.coverage() < ENOUGH and tries < TRIES:
            plan = self._plan()
            if plan is None:
                tries += 1
                yield np.clip(self._table.agent + self._rng.normal(0, 30, 2), 0, TABLE)
                continue
            tries = 0
            push, steps, route = plan
            for index, point in enumerate(route):
                yield from self._walk(point, 4.0 if index >= len(route) - 2 else 20.0)
            yield from self._settle(push.start)
            for step in range(1, steps + 1):
                yield push.target(step)
                if self._table.coverage() > ENOUGH:
                    return

    def _walk(self, point: np.ndarray, close: float) -> Iterator[np.ndarray]:
        for _ in range(30):
            way = point - self._table.agent
            distance = float(np.linalg.norm(way))
            if distance < close:
                return
            yield self._table.agent + way * min(1.0, STRIDE / distance)

    def _settle(self, point: np.ndarray) -> Iterator[np.ndarray]:
        for _ in range(3):
            if np.linalg.norm(self._table.agent - point) < 2:
                return
            yield point

    def _plan(self) -> tuple[Push, int, list[np.ndarray]] | None:
        """The best push that can be reached, its number of steps, and the way there."""
        pose, agent = self._table.block, self._table.agent
        error = _error(pose)
        near = error < NEAR
        body = shapely.Polygon(place(OUTLINE, pose))
        ranked = []
        for push in self._candidates(pose, body, near):
            best, steps = self._rehearse(push, pose)
            effort = steps + np.linalg.norm(push.start - agent) / 35 + (14 if near else 6)
            ranked.append(((error - best) / effort, steps, push))
        for gain, steps, push in sorted(ranked, key=lambda r: -r[0]):
            if gain <= 1e-4:
                return None
            if route := _route(body, agent, push):
                return push, steps, route
        return None

    def _candidates(self, pose: np.ndarray, body: shapely.Polygon, near: bool) -> list[Push]:
        spread = 0.25 if near else 0.6  # radians off the inward normal
        pushes: list[Push] = []
        for edge in self._rng.choice(len(OUTLINE), 2 * CANDIDATES, p=LENGTHS / LENGTHS.sum()):
            outward = turn(pose[2]) @ OUTWARD[edge]
            contact = place(OUTLINE[edge] + self._rng.uniform(0.05, 0.95) * EDGES[edge], pose)
            direction = -turn(self._rng.uniform(-spread, spread)) @ outward
            pace = self._rng.choice([2.0, 3.0] if near else [4.0, 8.0, 12.0])
            start = contact + outward * CLEARANCE
            if _free(body, start) and _free(body, start + 6 * outward):
                pushes.append(Push(start, outward, direction, pace))
            if len(pushes) == CANDIDATES:
                break
        return pushes

    def _rehearse(self, push: Push, pose: np.ndarray) -> tuple[float, int]:
        """The smallest error that a push reaches, and after how many steps."""
        self._trial.put(push.start, pose)
        best, when = np.inf, 0
        for step in range(1, LONGEST + 1):
            self._trial.drive(push.target(step))
            error = _error(self._trial.block)
            if error < best - 0.02:
                best, when = error, step
            if step - when > PATIENCE:
                break
        return best, when


def _error(pose: np.ndarray) -> float:
    """Mean distance of the block's marks from where they belong."""
    return float(np.linalg.norm(place(MARKS, pose) - GOAL_MARKS, axis=1).mean())


def _free(body: shapely.Polygon, point: np.ndarray) -> bool:
    on_table = bool(np.all((point > 8) & (point < TABLE - 8)))
    return on_table and body.distance(shapely.Point(point)) >= AGENT_RADIUS + 2


def _route(body: shapely.Polygon, agent: np.ndarray, push: Push) -> list[np.ndarray] | None:
    """Way points to the start of a push: back off, shortest way around the block, in front of the contact, touch."""
    forbidden = body.buffer(CLEARANCE, join_style="mitre")
    route = []
    if forbidden.contains(shapely.Point(agent)):
        contact = np.array(shapely.shortest_line(body, shapely.Point(agent)).coords[0])
        away = (agent - contact) / max(float(np.linalg.norm(agent - contact)), 1e-6)
        agent = contact + away * RING
        route.append(agent)
    corners = np.array(body.buffer(RING, join_style="mitre").exterior.coords[:-1])
    corners = corners[np.all((corners > 6) & (corners < TABLE - 6), axis=1)]
    nodes = np.array([agent, *corners, push.start + 6 * push.outward])
    lines = shapely.linestrings(np.stack(np.broadcast_arrays(nodes[:, None], nodes[None]), axis=2))
    blocked = shapely.length(shapely.intersection(lines, forbidden)) > 1e-6
    lengths = np.where(blocked, 0.0, shapely.length(lines))  # zero means no edge
    distances, before = dijkstra(lengths, indices=0, return_predecessors=True)
    if not np.isfinite(distances[-1]):
        return None
    way, node = [], len(nodes) - 1
    while node != 0:
        way.append(nodes[node])
        node = before[node]
    return [*route, *way[::-1], push.start]
