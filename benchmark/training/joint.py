"""An encoder and a policy that learn as one, and which parts of the encoder do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks, Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.training import ParameterGroup
from benchmark.core.errors import BenchmarkError
from benchmark.data.augment import NOTHING, Recipe
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.features import features_of, read_goal
from benchmark.models.precision import autocast, products

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


@dataclass
class JointBatch(Chunks):
    """Holds observations where a policy's batch holds features, and what the frozen part of the encoder makes of them if that
    was computed before."""

    frozen: Tensor | None = None  # (B, history, V, numbers)
    goal_frozen: Tensor | None = None  # (B, V, numbers), where the goal is an observation


class JointModel(nn.Module):
    def __init__(self, agent: Agent, rates: Rates, precision: str, kind: str, proprio: Tensor, augment: Recipe = NOTHING):
        """`proprio` has a raw row per time step of the demonstrations, for agents that take it with the features."""
        super().__init__()
        self.agent, self.precision, self.kind, self._proprio, self._augment = agent, precision, kind, proprio, augment
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

    def loss(self, batch: JointBatch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if self.training and self._augment != NOTHING:
            batch = _augmented(batch, self._augment, rng)
        assert batch.rows is not None
        goal, told = batch.goal, None
        if goal is not None and self.encoder.takes_goal:
            with autocast(goal.device, self.precision), products(self.precision):
                told = read_goal(self.encoder, goal).repeat_interleave(batch.rows.shape[1], 0)
            goal = None
        elif goal is not None and batch.goal_rows is not None:
            goal = self._observe(goal, batch.goal_rows, frozen=batch.goal_frozen)
        frozen = None if batch.frozen is None else batch.frozen.flatten(0, 1)
        features = self._observe(batch.features.flatten(0, 1), batch.rows.flatten(), told, frozen)
        features = features.unflatten(0, batch.rows.shape)
        return self.agent.policy.loss(replace(batch, features=features, goal=goal), rng)

    def groups(self) -> list[ParameterGroup]:
        return [*self.agent.policy.groups(), *self._encoder_groups]

    def after_step(self, step: int, steps: int) -> None:
        self.agent.policy.after_step(step, steps)

    def _observe(self, frames: Tensor, rows: Tensor, told: Tensor | None = None, frozen: Tensor | None = None) -> Tensor:
        """In the encoder's precision, whatever the policy's is; what the backward pass multiplies is in the policy's."""
        with autocast(frames.device, self.precision), products(self.precision):
            features = features_of(self.encoder, Observations(frames=frames, told=told), self.kind, frozen)
        return self.agent.observe(features.float(), self._proprio[rows])


def _augmented(batch: JointBatch, recipe: Recipe, rng: torch.Generator) -> JointBatch:
    """An observation, those before it and the goal, where that is one, are cropped and coloured as one: drawn per sample."""
    frames, seen = batch.features, batch.features.shape[1]
    if batch.goal is not None and batch.goal_rows is not None:
        frames = torch.cat([frames, batch.goal[:, None]], dim=1)
    frames = recipe(frames.movedim(-1, -3), rng).movedim(-3, -1)
    return replace(batch, features=frames[:, :seen], goal=frames[:, seen] if frames.shape[1] > seen else batch.goal)


def with_observations(batch: Chunks, demos: Demos, frozen: np.ndarray | None = None) -> JointBatch:
    """The batch with raw observations in place of cached features; `frozen` has a row per time step (`frozen.compute`)."""

    def look(array: np.ndarray, rows: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(array[rows.cpu().numpy()])).to(rows.device, non_blocking=True)

    assert batch.rows is not None
    seen = JointBatch(**{**vars(batch), "features": look(demos.frames, batch.rows)})
    if batch.goal_rows is not None:
        seen.goal = look(demos.frames, batch.goal_rows)
    if frozen is not None:
        seen.frozen = look(frozen, batch.rows)
        seen.goal_frozen = None if batch.goal_rows is None else look(frozen, batch.goal_rows)
    return seen
