"""ACT (Zhao et al. 2023): a transformer that decodes a whole chunk at once, trained as a conditional VAE.

In training an encoder squeezes the demonstrated chunk into a style z, so that the decoder need not average over styles; at
rollout z is the prior's mean, which makes the policy deterministic. Constants and layers after github.com/tonyzhaozh/act, on
cached features instead of camera images. Two things differ on purpose. The decoder starts from its queries, not from zeros to
which they are added as positions only: from zeros the first layer's attention among queries says the same whatever they are,
and all that tells the steps of a chunk apart is how they weigh the memory, hundreds of tokens there and a handful here (error
of a regression from one observation: 0.255 against 0.276). And the positions of observations are learned, since they have no
place in an image whose sine and cosine could be taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec, require, require_probabilities, require_sizes
from benchmark.models.precision import at_least_float32
from benchmark.policies._shared.parts import HORIZONS, QUICK_HORIZON, SMOKE_HORIZON, condition, token_dim


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
        require_sizes(self, "width", "heads", "feedforward", "encoder_layers", "decoder_layers", "style")
        require_probabilities(self, "dropout")
        require(self.width % 2 == 0, f"width={self.width} is odd, and positions are as many sines as cosines")
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
        **HORIZONS,
        # Learning rate, decay and batch of the release. Its chunk is 100 steps at 50 Hz, two seconds, as is ours at 10 Hz; it
        # weighs overlapping chunks by exp(-0.01 age), ours are averaged as those of the other heads.
        "paper": {"lr": 1e-5, "weight_decay": 1e-4, "batch_size": 8, "chunk": 20, "ensemble": True},
    }

    def __init__(self, config: ACTConfig, spec: PolicySpec):
        super().__init__(config, spec)
        width = config.width
        self.observe, self.embed = nn.Linear(token_dim(spec), width), nn.Linear(spec.action_dim, width)
        self.class_token = nn.Parameter(torch.randn(1, width))
        self.register_buffer("style_positions", sinusoids(1 + config.history + config.chunk, width), persistent=False)
        self.memory_positions = nn.Parameter(torch.randn(1 + config.history, width))
        self.queries = nn.Parameter(torch.randn(config.chunk, width))
        self.style_encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.observation_encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.to_style, self.from_style = nn.Linear(width, 2 * config.style), nn.Linear(config.style, width)
        self.head = nn.Linear(width, spec.action_dim)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        observations = self.observe(condition(batch.features, batch.goal))
        mean, log_variance = self._encode_style(observations, batch.actions, batch.valid)
        noise = torch.randn(mean.shape, generator=rng, device=mean.device)
        predicted = self._decode(observations, mean + (log_variance / 2).exp() * noise)
        l1 = ((predicted - batch.actions).abs() * batch.valid[..., None]).mean()  # padded steps add nothing but are counted
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1).mean()
        return l1 + self.config.kl_weight * kl, {"l1": l1.detach(), "kl": kl.detach()}

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        observations = self.observe(condition(features, goal))
        return self._decode(observations, observations.new_zeros(len(observations), self.config.style))

    def _encode_style(self, observations: Tensor, actions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z given the chunk; padded actions are not attended to."""
        tokens = torch.cat([self.class_token.expand(len(actions), 1, -1), observations, self.embed(actions)], dim=1)
        padding = torch.cat([valid.new_zeros(tokens.shape[:2])[:, : -valid.shape[1]], ~valid], dim=1)
        x = tokens
        for layer in self.style_encoder:
            x = layer(x, self.style_positions, padding)
        mean, log_variance = at_least_float32(self.to_style(x[:, 0])).chunk(2, dim=-1)
        return mean, log_variance

    def _decode(self, observations: Tensor, style: Tensor) -> Tensor:
        memory = torch.cat([self.from_style(style)[:, None], observations], dim=1)
        for layer in self.observation_encoder:
            memory = layer(memory, self.memory_positions)
        x = self.queries.expand(len(memory), -1, -1)
        for layer in self.decoder:
            x = layer(x, self.queries, memory, memory + self.memory_positions)
        return self.head(self.norm(x))


class Layer(nn.Module):
    """DETR's (Carion et al. 2020): positions are added to the queries and keys of every layer, norms come after the sums."""

    def __init__(self, config: ACTConfig):
        super().__init__()
        width, dropout = config.width, config.dropout
        self.attention = nn.MultiheadAttention(width, config.heads, dropout, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(width, config.feedforward), nn.ReLU(), nn.Dropout(dropout), nn.Linear(config.feedforward, width)
        )
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def attend(self, x: Tensor, positions: Tensor, padding: Tensor | None = None) -> Tensor:
        at = x + positions
        return self.attention_norm(x + self.dropout(self.attention(at, at, x, padding, need_weights=False)[0]))

    def feed(self, x: Tensor) -> Tensor:
        return self.feedforward_norm(x + self.dropout(self.feedforward(x)))


class EncoderLayer(Layer):
    def forward(self, x: Tensor, positions: Tensor, padding: Tensor | None = None) -> Tensor:
        return self.feed(self.attend(x, positions, padding))


class DecoderLayer(Layer):
    """With attention to the memory, whose keys carry their positions as well, in between."""

    def __init__(self, config: ACTConfig):
        super().__init__(config)
        self.cross = nn.MultiheadAttention(config.width, config.heads, config.dropout, batch_first=True)
        self.cross_norm = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, positions: Tensor, memory: Tensor, keys: Tensor) -> Tensor:
        x = self.attend(x, positions)
        x = self.cross_norm(x + self.dropout(self.cross(x + positions, keys, memory, need_weights=False)[0]))
        return self.feed(x)


def sinusoids(positions: int, width: int) -> Tensor:
    """(positions, width), sines in the even columns and cosines in the odd ones (Vaswani et al. 2017)."""
    phase = torch.arange(positions)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)
