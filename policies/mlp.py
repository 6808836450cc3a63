"""Behaviour cloning by regression: a multilayer perceptron from the history of features to a chunk of actions.

It answers with the mean of what the demonstrators did, which is wrong where they did two different things; that is its place in
the comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec, require_sizes
from benchmark.policies._shared.parts import HORIZONS, QUICK_HORIZON, SMOKE_HORIZON, condition, masked_mean, mlp


@dataclass
class MLPConfig(PolicyConfig):
    hidden: int = 256
    depth: int = 8  # hidden layers

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "hidden", "depth")


QUICK = QUICK_HORIZON | {"hidden": 512, "depth": 2, "lr": 1e-3, "schedule": "cosine"}


class MLP(Policy):
    """Mean squared error on whole chunks."""

    name = "mlp"
    title = "MLP (chunking)"
    Config = MLPConfig
    source = "DynaMo paper, Table 15"
    presets = {
        "smoke": SMOKE_HORIZON | {"hidden": 32, "depth": 2, "batch_size": 32, "lr": 1e-3},
        "quick": QUICK,
        "standard": QUICK,
        **HORIZONS,
        # Table 15: hidden 256, depth 8, context 5, prediction 5, batch 256, 2000 epochs, learning rate 1e-4, no decay; chunks
        # are averaged where they overlap, as the release does for Push-T, the only environment the table is about.
        "paper": {"history": 5, "chunk": 5, "ensemble": True, "epochs": 2000},
    }

    def __init__(self, config: MLPConfig, spec: PolicySpec):
        super().__init__(config, spec)
        inputs = config.history * (spec.feature_dim + spec.goal_dim)
        self.net = mlp(inputs, [config.hidden] * config.depth, config.chunk * spec.action_dim)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        predicted = self._predict(batch.features, batch.goal)
        return masked_mean((predicted - batch.actions) ** 2, batch.valid), {}

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        return self._predict(features, goal)

    def _predict(self, features: Tensor, goal: Tensor | None) -> Tensor:
        flat = self.net(condition(features, goal).flatten(1))
        return flat.unflatten(1, (self.config.chunk, self.spec.action_dim))
