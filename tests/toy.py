"""A simulator small enough for tests of everything else: a dot walks to a cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmark.contracts.environment import EnvConfig, Expert, Simulator
from benchmark.contracts.specs import ActionSpec, EnvSpec
from benchmark.core.seeds import numpy_rng

STEPS = 24
SPEED = 0.12


@dataclass
class ToyConfig(EnvConfig):
    crash_on: int = -1  # the episode in this order dies at its third step


class Toy(Simulator):
    """The state is (dot, cross) in the unit square; the score is 1 when the dot has come close to the cross."""

    name: ClassVar[str] = "toy"
    Config = ToyConfig
    presets = {
        "smoke": {"resolution": 32, "episodes": 4},
        "quick": {"resolution": 32, "episodes": 12},
        "standard": {"resolution": 32},
        "paper": {"resolution": 32, "episodes": 8},
    }
    source = "tests"

    def __init__(self, config: Any):
        super().__init__(config)
        self._episodes = -1

    @classmethod
    def spec(cls, config: Any) -> EnvSpec:
        return EnvSpec(
            views=("top",),
            action=ActionSpec((-1.0, -1.0), (1.0, 1.0), ("x", "y"), "delta", "dot", "image", f"{SPEED} of the side", "none"),
            proprio_dim=2,
            state_names=("dot/x", "dot/y", "cross/x", "cross/y"),
            hz=10.0,
            max_steps=STEPS,
            metric="reached",
            metric_range=(0.0, 1.0),
            expert_target=1.0,
            state_target=0.75,
            tasks=("left", "right"),
        )

    @classmethod
    def task(cls, config: Any, seed: int) -> str:
        return "left" if _places(seed)[1][0] < 0.5 else "right"

    def reset(self, seed: int) -> None:
        self.dot, self.cross = _places(seed)
        self._task = self.task(self.config, seed)
        self._reached, self._steps = False, 0
        self._episodes += 1

    def step(self, action: np.ndarray) -> bool:
        self._steps += 1
        if self._episodes == self.config.crash_on and self._steps == 3:
            raise RuntimeError("the toy broke")
        self.dot = np.clip(self.dot + SPEED * np.asarray(action, np.float64), 0, 1)
        self._reached |= bool(np.linalg.norm(self.dot - self.cross) < 0.08)
        return self._reached

    def render(self) -> np.ndarray:
        side = self.config.resolution
        frame = np.full((1, side, side, 3), 20, np.uint8)
        for (x, y), colour in ((self.cross, (0, 0, 255)), (self.dot, (255, 255, 0))):
            row, column = int(y * (side - 4)), int(x * (side - 4))
            frame[0, row : row + 4, column : column + 4] = colour
        return frame

    def proprio(self) -> np.ndarray:
        return self.dot.astype(np.float32)

    def state(self) -> np.ndarray:
        return np.concatenate([self.dot, self.cross]).astype(np.float32)

    def score(self) -> dict[str, float]:
        return {"reached": float(self._reached), f"task/{self._task}": float(self._reached)}

    def expert(self, seed: int) -> Expert:
        return _Walk(self, numpy_rng("toy expert", seed))


def _places(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = numpy_rng("toy", seed)
    return rng.uniform(0.1, 0.9, 2), rng.uniform(0.1, 0.9, 2)


class _Walk(Expert):
    def __init__(self, env: Toy, rng: np.random.Generator):
        self.env, self.rng = env, rng
        self.info = {"task": env._task, "language": [1.0, 0.0, 0.5] if env._task == "left" else [0.0, 1.0, 0.5]}

    def act(self) -> np.ndarray:
        towards = (self.env.cross - self.env.dot) / SPEED
        return np.clip(towards + 0.05 * self.rng.normal(size=2), -1, 1).astype(np.float32)


class Guided(Toy):
    """The toy with an expert that has no memory and no noise."""

    name: ClassVar[str] = "guided"
    expert_of_any_state = True

    def expert(self, seed: int) -> Expert:
        return _Straight(self)


class _Straight(Expert):
    def __init__(self, env: Guided):
        self.env = env

    def act(self) -> np.ndarray:
        return advice(self.env.state())


def advice(state: np.ndarray) -> np.ndarray:
    return np.clip((state[..., 2:] - state[..., :2]) / SPEED, -1, 1).astype(np.float32)
