"""Flow matching (Lipman et al. 2023): action chunks by following a learned velocity field from noise.

The straight path x_t = (1 - t) noise + t actions has velocity actions - noise; the network regresses it at a random t, and a
rollout integrates it in a few Euler steps. Network, averaging and budget are those of `diffusion`, so the two differ in the
process alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig, acting
from benchmark.contracts.specs import PolicySpec, require, require_probabilities, require_sizes
from benchmark.models.ema import EMA
from benchmark.policies._shared.parts import (
    HORIZONS,
    QUICK_HORIZON,
    SMOKE_HORIZON,
    Denoiser,
    condition,
    masked_mean,
    rows_normal,
    update_average,
)

TIME_SCALE = 100.0  # the network's sinusoids resolve whole numbers; as many as `diffusion` has steps


@dataclass
class FlowConfig(PolicyConfig):
    layers: int = 8
    heads: int = 4
    width: int = 256
    dropout: float = 0.3
    sample_steps: int = acting(10)  # Euler steps at rollout

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "layers", "heads", "width", "sample_steps")
        require_probabilities(self, "dropout")
        require(self.width >= 4, f"width={self.width} has no room for sines and cosines of two frequencies")
        require(self.width % (2 * self.heads) == 0, f"width={self.width} is not an even multiple of heads={self.heads}")


SMALL = {"layers": 2, "width": 64, "dropout": 0.0, "lr": 1e-3, "schedule": "cosine", "warmup": 0.05}
QUICK = QUICK_HORIZON | SMALL


class Flow(Policy):
    name = "flow"
    Config = FlowConfig
    source = "Flow matching (Lipman et al. 2023)"
    presets = {
        "smoke": SMOKE_HORIZON | {"layers": 1, "heads": 2, "width": 16, "sample_steps": 2, "batch_size": 32, "lr": 1e-3},
        "quick": QUICK,
        "standard": QUICK,
        **HORIZONS,
        # The DynaMo paper has no row for this head: the settings of its Diffusion Policy (Table 14).
        "paper": {"history": 2, "chunk": 10, "execute": 8, "epochs": 2000}
        | {"betas": (0.9, 0.95), "schedule": "cosine", "warmup": 0.005},
    }

    def __init__(self, config: FlowConfig, spec: PolicySpec):
        super().__init__(config, spec)
        self.net = Denoiser(spec, config.history, config.chunk, config.layers, config.heads, config.width, config.dropout)
        self.average = EMA(self.net)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        actions, device = batch.actions, batch.actions.device
        time = torch.rand(len(actions), generator=rng, device=device)
        noise = torch.randn(actions.shape, generator=rng, device=device)
        net = self.net if self.training else self.average
        x = noise + time[:, None, None] * (actions - noise)
        velocity = net(x, TIME_SCALE * time, condition(batch.features, batch.goal))
        return masked_mean((velocity - (actions - noise)) ** 2, batch.valid), {}

    def after_step(self, step: int, steps: int) -> None:
        update_average(self.average, self.net, step)

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        observations, steps = condition(features, goal), self.config.sample_steps
        x = rows_normal(rngs, (self.config.chunk, self.spec.action_dim), features)
        for i in range(steps):
            time = torch.full((len(x),), TIME_SCALE * i / steps, device=x.device)
            x = x + self.average(x, time, observations) / steps
        return x
