"""gym-pusht's table, driven step by step: the physics, the image and the coverage of the Diffusion Policy paper."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on standard output

import cv2
import numpy as np
import pygame
import shapely
from gym_pusht.envs.pusht import PushTEnv
from gym_pusht.envs.pymunk_override import DrawOptions
from pymunk.vec2d import Vec2d

from benchmark.envs.pusht.geometry import GOAL, OUTLINE, TABLE, place

SUBSTEPS = 10  # physics steps of 10 ms per control step of 0.1 s
GOAL_AREA = shapely.Polygon(place(OUTLINE, GOAL))


class Table:
    """One agent (a disc that goes where it is sent) and one T-shaped block."""

    def __init__(self) -> None:
        self._env = PushTEnv(obs_type="state")
        self._screen = _surface()

    def reset(self, seed: int) -> None:
        """A new simulation with the agent and the block where gym-pusht puts them for this seed."""
        self._env.reset(seed=seed)

    def put(self, agent: np.ndarray, block: np.ndarray) -> None:
        """Everything at rest at the given places. The angle goes first: it turns the block about its centre of mass."""
        env = self._env
        env.agent.position, env.agent.velocity = (float(agent[0]), float(agent[1])), (0, 0)
        env.block.angle = float(block[2])
        env.block.position = (float(block[0]), float(block[1]))
        env.block.velocity, env.block.angular_velocity = (0, 0), 0
        env.space.reindex_shapes_for_body(env.agent)
        env.space.reindex_shapes_for_body(env.block)

    def drive(self, target: np.ndarray) -> None:
        """One control step towards a target: `PushTEnv.step` without its score, which costs more than the physics."""
        env, x, y = self._env, float(target[0]), float(target[1])
        for _ in range(SUBSTEPS):
            at, speed = env.agent.position, env.agent.velocity
            pull_x = env.k_p * (x - at.x) - env.k_v * speed.x
            pull_y = env.k_p * (y - at.y) - env.k_v * speed.y
            env.agent.velocity = Vec2d(speed.x + pull_x * env.dt, speed.y + pull_y * env.dt)
            env.space.step(env.dt)

    @property
    def agent(self) -> np.ndarray:
        return np.array(self._env.agent.position)

    @property
    def block(self) -> np.ndarray:
        """x, y, angle."""
        return np.array([*self._env.block.position, self._env.block.angle])

    def state(self) -> np.ndarray:
        """As named by `STATE_NAMES`."""
        x, y, angle = self.block
        return np.array([*self.agent, x, y, np.cos(angle), np.sin(angle)], np.float32)

    def coverage(self) -> float:
        """The share of the goal that the block covers."""
        return GOAL_AREA.intersection(shapely.Polygon(place(OUTLINE, self.block))).area / GOAL_AREA.area

    @cached_property
    def _ground(self) -> pygame.Surface:
        """What never changes and lies under all else: the goal."""
        ground = _surface()
        ground.fill("white")
        goal = self._env.get_goal_pose_body(GOAL)
        for shape in self._env.block.shapes:
            corners = [goal.local_to_world(corner) for corner in shape.get_vertices()]
            pygame.draw.polygon(ground, "lightgreen", [(round(x), round(y)) for x, y in corners])
        return ground

    def image(self, side: int) -> np.ndarray:
        """(side, side, 3), as gym-pusht draws and shrinks it, bilinear and without smoothing, but for the action and the red
        dots where things touch: those would tell of the contact, and only in images of a running simulation."""
        return self.images(side)[0]

    def images(self, *sides: int) -> list[np.ndarray]:
        """The same, in several sizes at once."""
        self._screen.blit(self._ground, (0, 0))
        options = DrawOptions(self._screen)
        options.flags = DrawOptions.DRAW_SHAPES
        self._env.space.debug_draw(options)
        buffer: Any = self._screen.get_buffer()
        pixels = np.frombuffer(buffer, np.uint8).reshape(TABLE, TABLE, 4)
        return [np.ascontiguousarray(cv2.resize(pixels, (side, side))[..., :3]) for side in sides]


def _surface() -> pygame.Surface:
    """Its bytes are red, green, blue and one that is not used: they are read as they lie."""
    return pygame.Surface((TABLE, TABLE), depth=32, masks=(0xFF, 0xFF00, 0xFF0000, 0))
