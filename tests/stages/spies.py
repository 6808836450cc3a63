"""Components that count what is done with them: numbers in a table can then be compared with a count by hand.

Stages run in the process of the test, so what a spy saw is kept on its class; `reset` forgets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks, Episode, Windows
from benchmark.contracts.encoder import Encoder, as_float
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.contracts.policy import Policy
from benchmark.core.seeds import numpy_rng
from tests.toy import Toy

EPISODES, LENGTH, SIDE, VIEWS = 8, 20, 32, 2
DIM = 4


class Recordings(Toy):
    """The toy with two cameras and recorded demonstrations, all of one length. Chosen ones can be replaced by nonsense."""

    name = "recordings"
    sources = ("recorded",)
    presets = {"smoke": {"resolution": SIDE, "episodes": EPISODES, "demonstrations": "recorded"}}
    spoilt: ClassVar[frozenset[int]] = frozenset()

    @classmethod
    def spec(cls, config: Any) -> Any:
        return replace(super().spec(config), views=("top", "side"))

    def render(self) -> np.ndarray:
        return np.concatenate([super().render(), 255 - super().render()])

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        for index in range(config.episodes):
            rng = numpy_rng("recordings", index)
            states = rng.uniform(size=(LENGTH, 4)).astype(np.float32)
            actions = 0.3 * (states[:, 2:] - states[:, :2])
            frames = np.zeros((LENGTH, VIEWS, SIDE, SIDE, 3), np.uint8)
            frames[:, :, :16, :16] = (255 * states[:, None, None, None, :3]).astype(np.uint8)
            frames[:, :, 16:, 16:] = (255 * states[:, None, None, None, 1:]).astype(np.uint8)
            if index in cls.spoilt:
                frames = rng.integers(0, 256, frames.shape, np.uint8)
                actions, states = 50 * rng.normal(size=actions.shape), rng.uniform(5, 100, states.shape)
            yield Episode(frames, actions.astype(np.float32), states.astype(np.float32), states[:, :2].astype(np.float32))


class Flat(Encoder):
    """One linear map of the pixels: its FLOPs are two per weight and image."""

    dim = DIM
    flops = 2 * 3 * SIDE * SIDE * DIM

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3 * SIDE * SIDE, DIM, bias=False)

    def pooled(self, images: Tensor) -> Tensor:
        return self.map(as_float(images).flatten(1))


@dataclass
class TallyConfig(MethodConfig):
    shade: float = 0.0


class Tally(Method):
    """Counts its frames and steps, remembers its settings, and looks at the store while it trains."""

    name = "tally"
    Config = TallyConfig
    presets = {"smoke": {"batch_size": 8}}
    variants = {"shaded": {"shade": 1.0}}
    frames: ClassVar[int]
    steps: ClassVar[list[tuple[int, int]]]
    shades: ClassVar[set[float]]
    store: ClassVar[Path | None]
    published: ClassVar[set[Path]]  # folders of the store's pretrained encoders while one was training

    @classmethod
    def reset(cls) -> None:
        cls.frames, cls.steps, cls.shades, cls.store, cls.published = 0, [], set(), None, set()

    @classmethod
    def build_encoder(cls, config: Any, data: Any) -> Encoder:
        return Flat()

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=2)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        Tally.frames += batch.frames.shape[:3].numel()
        Tally.shades.add(self.config.shade)
        return self.encoder(batch.frames.flatten(0, 2)).square().mean(), {}

    def after_step(self, step: int, steps: int) -> None:
        Tally.steps.append((step, steps))
        if self.store is not None:
            Tally.published.update((self.store / "pretrain").iterdir())


class Clock(Policy):
    """Its only weight of interest is its age in steps; its validation loss is lowest at the age `BEST`."""

    name = "clock"
    presets = {"smoke": {"history": 2, "chunk": 3, "execute": 2, "batch_size": 16}}
    BEST = 20
    frames: ClassVar[int]  # observations that it was trained on
    steps: ClassVar[list[tuple[int, int]]]
    acted: ClassVar[set[int]]  # the ages at which it acted
    prepared: ClassVar[list[Chunks]]
    batches: ClassVar[list[Tensor]]  # the features of each training batch
    age: Tensor

    @classmethod
    def reset(cls) -> None:
        cls.frames, cls.steps, cls.acted, cls.prepared, cls.batches = 0, [], set(), [], []

    def __init__(self, config: Any, spec: Any):
        super().__init__(config, spec)
        self.net = nn.Linear(spec.feature_dim, 1)
        self.register_buffer("age", torch.zeros(()))

    def prepare(self, samples: Chunks, rng: torch.Generator) -> None:
        Clock.prepared.append(samples)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if not self.training:
            return (self.age - self.BEST).abs(), {}
        Clock.frames += VIEWS * batch.features.shape[:2].numel()
        Clock.batches.append(batch.features.detach().clone())
        return self.net(batch.features).square().mean(), {}

    def after_step(self, step: int, steps: int) -> None:
        self.age += 1
        Clock.steps.append((step, steps))

    def act(self, features: Tensor, goal: Tensor | None, rngs: Any) -> Tensor:
        Clock.acted.add(int(self.age))
        return features.new_zeros(len(features), self.config.chunk, self.spec.action_dim)
