"""Diffusion Policy (Chi et al. 2023) with the transformer noise network: action chunks by denoising.

Trained to name the noise that was added (DDPM, squared-cosine schedule); sampled in as many steps as were trained (ancestral,
`eta` = 1) or in a few (DDIM, `eta` = 0) from weights averaged over training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

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


@dataclass
class DiffusionConfig(PolicyConfig):
    layers: int = 8
    heads: int = 4
    width: int = 256
    dropout: float = 0.3
    noise_steps: int = 100  # of the process that is trained
    sample_steps: int | None = acting(None)  # at rollout; null: as many as were trained
    eta: float = acting(1.0)  # 1: ancestral sampling (DDPM), 0: deterministic after the first draw (DDIM)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "layers", "heads", "width", "noise_steps")
        require_probabilities(self, "dropout")
        require(self.width >= 4, f"width={self.width} has no room for sines and cosines of two frequencies")
        require(self.width % (2 * self.heads) == 0, f"width={self.width} is not an even multiple of heads={self.heads}")
        require(
            self.sample_steps is None or 1 <= self.sample_steps <= self.noise_steps,
            f"sample_steps={self.sample_steps} must lie between 1 and noise_steps={self.noise_steps}",
        )
        require(0 <= self.eta <= 1, f"eta must lie between 0 and 1, not {self.eta}")


SMALL = {"layers": 2, "width": 64, "dropout": 0.0, "lr": 1e-3, "schedule": "cosine", "warmup": 0.05}
QUICK = QUICK_HORIZON | SMALL | {"sample_steps": 10, "eta": 0.0}


class Diffusion(Policy):
    name = "diffusion"
    title = "Diffusion Policy"
    Config = DiffusionConfig
    source = "Diffusion Policy, DP-T (Chi et al. 2023); DynaMo paper, Table 14"
    presets = {
        "smoke": SMOKE_HORIZON
        | {
            "layers": 1,
            "heads": 2,
            "width": 16,
            "noise_steps": 10,
            "sample_steps": 2,
            "eta": 0.0,
            "batch_size": 32,
            "lr": 1e-3,
        },
        "quick": QUICK,
        "standard": QUICK,
        **HORIZONS,
        # Table 14: batch 256, 2000 epochs, learning rate 1e-4, no decay, 2 observations, 10 predicted, 8 executed. Network,
        # betas, cosine schedule and warm-up (1000 steps there) from the DP-T configuration of real-stanford/diffusion_policy,
        # whose chunk begins one step before the newest observation; ours begins at it.
        "paper": {"history": 2, "chunk": 10, "execute": 8, "epochs": 2000}
        | {"betas": (0.9, 0.95), "schedule": "cosine", "warmup": 0.005},
    }

    low: Tensor
    high: Tensor

    def __init__(self, config: DiffusionConfig, spec: PolicySpec):
        super().__init__(config, spec)
        self.net = Denoiser(spec, config.history, config.chunk, config.layers, config.heads, config.width, config.dropout)
        self.average = EMA(self.net)
        self.process = Process(config.noise_steps)
        self.register_buffer("low", torch.full((spec.action_dim,), -1.0))
        self.register_buffer("high", torch.full((spec.action_dim,), 1.0))

    def prepare(self, samples: Chunks, rng: torch.Generator) -> None:
        """The range of the actions, to which every estimate of a clean chunk is clipped."""
        self.low.copy_(samples.actions.amin((0, 1)))
        self.high.copy_(samples.actions.amax((0, 1)))

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        actions, device = batch.actions, batch.actions.device
        step = torch.randint(self.config.noise_steps, (len(actions),), generator=rng, device=device)
        noise = torch.randn(actions.shape, generator=rng, device=device)
        net = self.net if self.training else self.average
        predicted = net(self.process.add_noise(actions, noise, step), step, condition(batch.features, batch.goal))
        return masked_mean((predicted - noise) ** 2, batch.valid), {}

    def after_step(self, step: int, steps: int) -> None:
        update_average(self.average, self.net, step)

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        c, observations = self.config, condition(features, goal)
        count = c.noise_steps if c.sample_steps is None else c.sample_steps
        noise = rows_normal(rngs, (count, c.chunk, self.spec.action_dim), features)
        steps = torch.linspace(c.noise_steps - 1, 0, count, device=features.device).round().long()
        x = noise[:, 0]
        for i, step in enumerate(steps):
            predicted = self.average(x, step.expand(len(x)), observations)
            clean = torch.clamp(self.process.clean(x, predicted, step), self.low, self.high)
            if i + 1 == len(steps):
                break
            x = self.process.back(x, clean, step, steps[i + 1], c.eta, noise[:, i + 1])
        return clean


class Process(nn.Module):
    """The noising process x_t = sqrt(a_t) x + sqrt(1 - a_t) noise, and the way back (Ho et al. 2020; Song et al. 2021)."""

    signal: Tensor

    def __init__(self, steps: int):
        """Squared-cosine schedule with steps of at most 0.999 (Nichol and Dhariwal 2021)."""
        super().__init__()
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        remaining = torch.cos((time + 0.008) / 1.008 * torch.pi / 2) ** 2
        beta = (1 - remaining[1:] / remaining[:-1]).clamp(max=0.999)
        self.register_buffer("signal", torch.cumprod(1 - beta, 0).float(), persistent=False)  # a_t

    def add_noise(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        signal = self.signal[step][:, None, None]
        return signal.sqrt() * clean + (1 - signal).sqrt() * noise

    def clean(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """The clean chunk that is left of x when this is its noise."""
        signal = self.signal[step]
        return (x - (1 - signal).sqrt() * noise) / signal.sqrt()

    def back(self, x: Tensor, clean: Tensor, step: Tensor, earlier: Tensor, eta: float, noise: Tensor) -> Tensor:
        """From `step` to an `earlier` one, given the clean chunk; with eta = 1 and neighbouring steps, the DDPM posterior."""
        now, then = self.signal[step], self.signal[earlier]
        deviation = eta * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
        direction = (x - now.sqrt() * clean) / (1 - now).sqrt()
        return then.sqrt() * clean + (1 - then - deviation**2).clamp(min=0).sqrt() * direction + deviation * noise
