"""ACT (Zhao et al. 2023): a transformer that decodes a whole chunk at once, trained as a conditional VAE.

In training an encoder squeezes the demonstrated chunk into a style z, so that the decoder need not average over styles; at
rollout z is the prior's mean, which makes the policy deterministic. Constants after github.com/tonyzhaozh/act, on cached
features instead of camera images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec, require
from policies._shared.parts import QUICK_HORIZON, SMOKE_HORIZON, condition, masked_mean, token_dim


@dataclass
class ACTConfig(PolicyConfig):
    width: int = 512
    heads: int = 8
    feedforward: int = 3200
    encoder_layers: int = 4  # of the style encoder and of the observation encoder
    decoder_layers: int = 1  # the release asks for 7 and, by a well-known slip, uses the output of the first
    style: int = 32
    dropout: float = 0.1
    kl_weight: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.width % self.heads == 0, f"width={self.width} is not a multiple of heads={self.heads}")


SMALL = {"width": 64, "heads": 4, "feedforward": 256, "encoder_layers": 1, "dropout": 0.0}
QUICK = QUICK_HORIZON | SMALL | {"lr": 5e-4, "schedule": "cosine", "warmup": 0.05}


class ACT(Policy):
    name = "act"
    Config = ACTConfig
    source = "ACT (Zhao et al. 2023)"
    presets = {
        "smoke": SMOKE_HORIZON
        | {"width": 16, "heads": 2, "feedforward": 32, "encoder_layers": 1, "style": 4, "batch_size": 32, "lr": 1e-3},
        "quick": QUICK,
        "standard": QUICK,
        # Learning rate, decay and batch of the release. Its chunk is 100 steps at 50 Hz, two seconds, as is ours at 10 Hz; it
        # weighs overlapping chunks by exp(-0.01 age), ours are averaged as those of the other heads.
        "paper": {"lr": 1e-5, "weight_decay": 1e-4, "batch_size": 8, "chunk": 20, "ensemble": True},
    }

    def __init__(self, config: ACTConfig, spec: PolicySpec):
        super().__init__(config, spec)
        width = config.width
        self.observe, self.embed = nn.Linear(token_dim(spec), width), nn.Linear(spec.action_dim, width)
        self.class_token = nn.Parameter(torch.randn(1, width))
        self.style_positions = nn.Parameter(torch.randn(1 + config.history + config.chunk, width))
        self.memory_positions = nn.Parameter(torch.randn(1 + config.history, width))
        self.queries = nn.Parameter(torch.randn(config.chunk, width))
        self.style_encoder = self._stack(nn.TransformerEncoderLayer, config.encoder_layers)
        self.observation_encoder = self._stack(nn.TransformerEncoderLayer, config.encoder_layers)
        self.decoder = self._stack(nn.TransformerDecoderLayer, config.decoder_layers)
        self.to_style, self.from_style = nn.Linear(width, 2 * config.style), nn.Linear(config.style, width)
        self.head = nn.Linear(width, spec.action_dim)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        observations = self.observe(condition(batch.features, batch.goal))
        mean, log_variance = self._encode_style(observations, batch.actions, batch.valid)
        noise = torch.randn(mean.shape, generator=rng, device=mean.device)
        predicted = self._decode(observations, mean + (log_variance / 2).exp() * noise)
        l1 = masked_mean((predicted - batch.actions).abs(), batch.valid)
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1).mean()
        return l1 + self.config.kl_weight * kl, {"l1": l1.detach(), "kl": kl.detach()}

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        observations = self.observe(condition(features, goal))
        return self._decode(observations, observations.new_zeros(len(observations), self.config.style))

    def _encode_style(self, observations: Tensor, actions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z given the chunk; padded actions are not attended to."""
        tokens = torch.cat([self.class_token.expand(len(actions), 1, -1), observations, self.embed(actions)], dim=1)
        padding = torch.cat([valid.new_zeros(tokens.shape[:2])[:, : -valid.shape[1]], ~valid], dim=1)
        x = tokens + self.style_positions
        for layer in self.style_encoder:
            x = layer(x, src_key_padding_mask=padding)
        mean, log_variance = self.to_style(x[:, 0]).chunk(2, dim=-1)
        return mean, log_variance

    def _decode(self, observations: Tensor, style: Tensor) -> Tensor:
        memory = torch.cat([self.from_style(style)[:, None], observations], dim=1) + self.memory_positions
        for layer in self.observation_encoder:
            memory = layer(memory)
        x = self.queries.expand(len(memory), -1, -1)
        for layer in self.decoder:
            x = layer(x, memory)
        return self.head(x)

    def _stack(self, layer: type[nn.Module], count: int) -> nn.ModuleList:
        c = self.config
        return nn.ModuleList(layer(c.width, c.heads, c.feedforward, c.dropout, batch_first=True) for _ in range(count))
