"""An environment of a few microseconds that can be told to misbehave in every way that simulators do."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.contracts.environment import EnvConfig, Expert, Simulator
from benchmark.contracts.specs import ActionSpec, EnvSpec
from benchmark.core.seeds import numpy_rng

MAX_STEPS = 12


@dataclass
class FakeConfig(EnvConfig):
    resolution: int = 16
    trouble: dict[int, tuple[int, str]] = field(default_factory=dict)  # seed -> at which step (0: reset), what happens
    log: str = ""  # a folder for one file per event, so that several processes can tell what they did
    pause: float = 0.0  # seconds a step takes


class Fake(Simulator):
    """A chaotic map of two numbers: any difference in seed, action or order of steps shows within a few steps."""

    name: ClassVar[str] = "fake"
    Config = FakeConfig

    def __init__(self, config: Any):
        super().__init__(config)
        if -1 in config.trouble:
            raise OSError(config.trouble[-1][1])
        self.x, self.steps, self.seed = np.zeros(2), 0, -1

    @classmethod
    def spec(cls, config: Any) -> EnvSpec:
        return EnvSpec(
            views=("left", "right"),
            action=ActionSpec((-1.0, -0.5, -1.0), (1.0, 0.5, 1.0)),
            proprio_dim=1,
            state_names=("x/0", "x/1", "step"),
            hz=10.0,
            max_steps=MAX_STEPS,
            metric="goal",
            metric_range=(0.0, 1.0),
            expert_target=0.5,
        )

    def reset(self, seed: int) -> None:
        print("simulators talk")
        self.seed, self.steps = seed, 0
        self.x = numpy_rng("fake", seed).uniform(0.2, 0.8, 2)
        self._tell(f"reset {seed} in {os.getpid()} threads {os.environ.get('OMP_NUM_THREADS', '-')}")
        self._misbehave()

    def step(self, action: np.ndarray) -> bool:
        assert action.dtype == np.float32
        assert (np.abs(action) <= np.array([1, 0.5, 1], np.float32)).all()
        time.sleep(self.config.pause)
        self.steps += 1
        self._misbehave()
        self.x = 3.8 * self.x * (1 - self.x)
        self.x = np.clip(self.x + 0.05 * action[:2].astype(np.float64), 0.01, 0.99)
        return bool(self.x[0] > 0.94)

    def render(self) -> np.ndarray:
        self._tell(f"render {self.seed} at {self.steps}")
        frames = np.zeros((2, 16, 16, 3), np.uint8)
        frames[0, :, :, 0], frames[1, :, :, 1], frames[:, 0, 0, 2] = *(255 * self.x).astype(np.uint8), self.steps
        return frames[0] if self._in_trouble("misshapen") else frames

    def proprio(self) -> np.ndarray:
        return self.x[:1].astype(np.float32)

    def state(self) -> np.ndarray:
        return np.array([np.nan if self._in_trouble("nan") else self.x[0], self.x[1], self.steps], np.float32)

    def score(self) -> dict[str, float]:
        if self._in_trouble("no score"):
            return {"other": 1.0}
        return {"goal": np.inf if self._in_trouble("infinite score") else float(self.x[1]), "task/it": 1.0}

    def expert(self, seed: int) -> Expert:
        return FakeExpert(self, seed)

    def _in_trouble(self, kind: str) -> bool:
        step, what = self.config.trouble.get(self.seed, (-1, ""))
        return what == kind and (step == self.steps or "score" in kind)

    def _misbehave(self) -> None:
        if self._in_trouble("raise"):
            raise RuntimeError("the joint came off")
        if self._in_trouble("exit"):
            os._exit(3)
        if self._in_trouble("exit once"):
            marker = Path(self.config.log, "exited")
            if not marker.exists():
                marker.touch()
                os._exit(3)
        if self._in_trouble("segfault"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._in_trouble("hang"):
            self._tell("hangs")
            time.sleep(1000)

    def _tell(self, event: str) -> None:
        if self.config.log:
            Path(self.config.log, event).touch()


class FakeExpert(Expert):
    """Takes noisy actions, some out of bounds, for as many steps as its seed says, perhaps none; others are executed."""

    def __init__(self, env: Fake, seed: int):
        self.rng = numpy_rng("fake expert", seed)
        self.left = 0 if env._in_trouble("no expert") else int(self.rng.integers(3, 2 * MAX_STEPS))
        self.info = {"planned": self.left}

    def act(self) -> np.ndarray | None:
        self.left -= 1
        return self.rng.normal(size=3) if self.left >= 0 else None

    def executed(self, action: np.ndarray) -> np.ndarray:
        return action + self.rng.normal(size=3)
