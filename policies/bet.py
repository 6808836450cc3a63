"""Behavior Transformer (Shafiullah et al. 2022): k-means bins of actions, classified, plus an offset per bin.

The ancestor of VQ-BeT, without a learned tokenizer: bins are the centres of whole action chunks. Constants after
github.com/notmahi/bet. As in `vqbet`, the loss is on the chunk after the newest observation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import ActionTokenizer, Policy, PolicyConfig, TokenizerConfig, acting
from benchmark.contracts.specs import PolicySpec, require, require_probabilities, require_sizes
from benchmark.models.transformer import Transformer
from benchmark.policies._shared.parts import (
    HORIZONS,
    QUICK_HORIZON,
    SMOKE_HORIZON,
    categorical,
    condition,
    focal_loss,
    k_means,
    masked_mean,
    nearest,
    repeated,
    rows_uniform,
    token_dim,
)

GAMMA = 2.0


@dataclass
class BinsConfig(TokenizerConfig):
    bins: int = 64


class Bins(ActionTokenizer):
    """The centres of whole chunks, flat, by k-means."""

    Config = BinsConfig
    centres: Tensor

    def __init__(self, config: BinsConfig, action_dim: int):
        super().__init__(config, action_dim)
        self.register_buffer("centres", torch.zeros(config.bins, config.chunk * action_dim))

    @classmethod
    def held(cls, config: BinsConfig) -> int:
        """Distances to all centres, and who belongs to which: 4 numbers of a bin, and what freed ones leave, 11 seen."""
        return 13 * config.bins

    def prepare(self, actions: Tensor, rng: torch.Generator) -> None:
        self.centres.copy_(k_means(actions.flatten(1), self.config.bins, rng))


@dataclass
class BeTConfig(PolicyConfig, BinsConfig):
    layers: int = 6
    heads: int = 6
    width: int = 120
    offset_weight: float = 1000.0  # of the squared offset error
    temperature: float = acting(1.0)  # of the bins at rollout
    dropout: float = 0.1  # of embeddings, attention and residual branches

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "layers", "heads", "width")
        require_probabilities(self, "dropout")
        require(self.width % self.heads == 0, f"width={self.width} is not a multiple of heads={self.heads}")
        require(self.bins >= 2, f"bins must be at least 2, not {self.bins}")
        require(self.temperature > 0, f"temperature must be positive, not {self.temperature}")


# For chunks scaled to [-1, 1] the published offset weight drowns the bins: 0.4 of 4 kitchen tasks; with 10, 1.3 to 1.7.
SMALL = {"layers": 2, "heads": 4, "width": 64, "dropout": 0.0, "offset_weight": 10.0, "temperature": 0.5}
QUICK = QUICK_HORIZON | SMALL | {"lr": 1e-3, "schedule": "cosine"}


class BeT(Policy):
    name = "bet"
    Config = BeTConfig
    Tokenizer = Bins
    source = "Behavior Transformers (Shafiullah et al. 2022); release configs"
    presets = {
        "smoke": SMOKE_HORIZON | {"layers": 1, "heads": 2, "width": 16, "bins": 8, "batch_size": 32, "lr": 1e-3},
        "quick": QUICK,
        "standard": QUICK,
        **HORIZONS,
        # The kitchen settings; the DynaMo paper has no row for this head.
        "paper": {"history": 10, "batch_size": 64, "epochs": 50, "weight_decay": 0.1, "betas": (0.9, 0.95), "clip": 1.0},
        # Published weight: 1e5 on displacements in metres, of which our unit is 0.03.
        "paper/block_push": {"history": 5, "batch_size": 256, "epochs": 350}
        | {"layers": 4, "heads": 4, "width": 72, "bins": 24, "offset_weight": 90.0},
        "paper/pusht": {"history": 5, "chunk": 5, "ensemble": True},
    }

    tokenizer: Bins

    def __init__(self, config: BeTConfig, spec: PolicySpec):
        super().__init__(config, spec)
        chunk = config.chunk * spec.action_dim
        self.trunk = Transformer(
            token_dim(spec),
            config.width,
            context=config.history,
            layers=config.layers,
            heads=config.heads,
            width=config.width,
            dropout=config.dropout,
        )
        self.head = nn.Linear(config.width, config.bins * (1 + chunk))
        self.tokenizer = Bins(config, spec.action_dim)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        actions = repeated(batch)
        target = nearest(actions.flatten(1), self.tokenizer.centres)
        logits, offsets = self._heads(batch.features, batch.goal)
        focal = focal_loss(logits, target, GAMMA)
        offset = masked_mean((self._compose(target, offsets) - actions) ** 2, batch.valid)
        return focal + self.config.offset_weight * offset, {"bin_loss": focal.detach(), "offset_loss": offset.detach()}

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        logits, offsets = self._heads(features, goal)
        return self._compose(categorical(logits, rows_uniform(rngs, (), logits), self.config.temperature), offsets)

    def _heads(self, features: Tensor, goal: Tensor | None) -> tuple[Tensor, Tensor]:
        """Bin logits (B, bins) and an offset for each (B, bins, chunk * A)."""
        bins = self.config.bins
        hidden = self.trunk(condition(features, goal), last=True)[:, -1]
        logits, offsets = self.head(hidden).split([bins, bins * self.tokenizer.centres.shape[1]], dim=-1)
        return logits, offsets.unflatten(1, (bins, -1))

    def _compose(self, bins: Tensor, offsets: Tensor) -> Tensor:
        flat = self.tokenizer.centres[bins] + offsets[torch.arange(len(bins), device=bins.device), bins]
        return flat.unflatten(1, (self.config.chunk, self.spec.action_dim))
