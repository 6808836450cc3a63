"""An encoder and a policy that learn as one, and which parts of the encoder do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks, Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.training import ParameterGroup
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.features import features_of
from benchmark.models.precision import autocast

Rates = Sequence[tuple[str, float]]  # (pattern of parameter names, learning rate as a fraction of the policy's)


def encoder_groups(encoder: Encoder, rates: Rates) -> list[ParameterGroup]:
    """One group per pattern. A parameter belongs to the first pattern it matches; one that matches none, or whose rate is 0, or
    that its network never meant to train (fixed positions), is frozen."""
    trainable = {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    members: dict[str, list[nn.Parameter]] = {pattern: [] for pattern, _ in rates}
    for name, parameter in trainable.items():
        pattern, rate = next(((pattern, rate) for pattern, rate in rates if fnmatchcase(name, pattern)), ("", 0.0))
        if rate == 0:
            parameter.requires_grad_(False)
        else:
            members[pattern].append(parameter)
    for pattern, rate in rates:
        if rate > 0 and not members[pattern]:
            some = ", ".join(list(trainable)[:3])
            raise BenchmarkError(f"joint.rates: '{pattern}' names no parameter that could be trained (there are {some}, ...)")
    return [ParameterGroup(f"encoder/{pattern}", members[pattern], rate) for pattern, rate in rates if members[pattern]]


class JointModel(nn.Module):
    """Its batches hold observations where those of a policy hold features."""

    def __init__(self, agent: Agent, rates: Rates, precision: str, kind: str, proprio: Tensor):
        """`proprio` has a raw row per time step of the demonstrations, for agents that take it with the features."""
        super().__init__()
        self.agent, self.precision, self.kind, self._proprio = agent, precision, kind, proprio
        self._encoder_groups = encoder_groups(self.encoder, rates)

    @property
    def encoder(self) -> Encoder:
        assert self.agent.encoder is not None
        return self.agent.encoder

    def train(self, mode: bool = True) -> JointModel:
        """Frozen parts stay as they are, running statistics of their norms included."""
        super().train(mode)
        for module in self.encoder.modules():
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()
        return self

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        assert batch.rows is not None
        goal = batch.goal if batch.goal is None or batch.goal_rows is None else self._observe(batch.goal, batch.goal_rows)
        features = self._observe(batch.features.flatten(0, 1), batch.rows.flatten()).unflatten(0, batch.rows.shape)
        return self.agent.policy.loss(replace(batch, features=features, goal=goal), rng)

    def groups(self) -> list[ParameterGroup]:
        return [*self.agent.policy.groups(), *self._encoder_groups]

    def after_step(self, step: int, steps: int) -> None:
        self.agent.policy.after_step(step, steps)

    def _observe(self, frames: Tensor, rows: Tensor) -> Tensor:
        """The policy itself stays in full precision, as on a frozen encoder."""
        with autocast(frames.device, self.precision):
            features = features_of(self.encoder, Observations(frames=frames), self.kind)
        return self.agent.observe(features.float(), self._proprio[rows])


def with_observations(batch: Chunks, demos: Demos) -> Chunks:
    """The batch with raw observations in place of cached features."""

    def look(rows: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(demos.frames[rows.cpu().numpy()])).to(rows.device, non_blocking=True)

    assert batch.rows is not None
    goal = batch.goal if batch.goal_rows is None else look(batch.goal_rows)
    return replace(batch, features=look(batch.rows), goal=goal)
