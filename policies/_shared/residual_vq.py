"""The residual VQ-VAE of VQ-BeT (Lee et al. 2024): a chunk of actions as a few codes, each for what the ones before leave over.

Sizes and constants after github.com/jeffacce/dynamo_ssl. Codes start from k-means of the encoded chunks instead of at random,
so that none begins dead, and biases are not decayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import ActionBatch
from benchmark.contracts.policy import ActionTokenizer, TokenizerConfig
from benchmark.contracts.training import TrainingConfig
from benchmark.models.precision import autocast
from benchmark.policies._shared.parts import k_means, mlp, nearest

LR, DECAY = 1e-3, 1e-4
COMMITMENT = 5.0  # beside an L1 reconstruction loss
CODEBOOK_DECAY = 0.8


@dataclass
class ResidualVQConfig(TokenizerConfig):
    codes: int = 16
    groups: int = 2
    latent: int = 512
    tokenizer_hidden: int = 128
    tokenizer_epochs: int = 300
    tokenizer_batch: int = 2048


class ResidualVQ(ActionTokenizer):
    """Works on flat chunks. Codebooks are buffers that follow the moving averages of their members' number and sum."""

    Config = ResidualVQConfig
    codebooks: Tensor
    sizes: Tensor
    sums: Tensor

    def __init__(self, config: ResidualVQConfig, action_dim: int):
        super().__init__(config, action_dim)
        chunk = config.chunk * action_dim
        hidden = [config.tokenizer_hidden] * 2
        self.encoder, self.decoder = mlp(chunk, hidden, config.latent), mlp(config.latent, hidden, chunk)
        for name in ("codebooks", "sums"):
            self.register_buffer(name, torch.zeros(config.groups, config.codes, config.latent))
        self.register_buffer("sizes", torch.ones(config.groups, config.codes))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight)
                nn.init.zeros_(module.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        """What was exported before the averages were kept has none, and acting reads none."""
        for name in ("sums", "sizes"):
            state_dict.setdefault(prefix + name, getattr(self, name))
        super()._load_from_state_dict(state_dict, prefix, *more)

    def encode(self, chunks: Tensor) -> Tensor:
        """(N, chunk * A) -> (N, groups) codes."""
        with torch.no_grad(), autocast(chunks.device, "fp32"):
            residual, codes = self.encoder(chunks), []
            for codebook in self.codebooks:
                codes.append(nearest(residual, codebook))
                residual = residual - codebook[codes[-1]]
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        with torch.no_grad(), autocast(codes.device, "fp32"):
            return self.decoder(sum(book[codes[:, g]] for g, book in enumerate(self.codebooks)))

    def samples(self, actions: Tensor) -> Tensor:
        """An arm that rests says the same again and again: once is enough."""
        return actions.unique(dim=0)

    def learning(self) -> TrainingConfig:
        return TrainingConfig(
            optimizer="adam",
            lr=LR,
            weight_decay=DECAY,
            batch_size=self.config.tokenizer_batch,
            epochs=self.config.tokenizer_epochs,
        )

    @classmethod
    def held(cls, config: Any) -> int:
        """What is encoded, what is left of it, and k-means' work on that: 3.2 times the latent, 4.2 seen as a rule."""
        return 4 * config.latent

    @torch.no_grad()
    def prepare(self, actions: Tensor, rng: torch.Generator) -> None:
        """Codes are k-means of the encoded chunks, then of what remains."""
        residual = self.encoder(actions.flatten(1))
        for codebook, sums in zip(self.codebooks, self.sums, strict=True):
            codebook.copy_(k_means(residual, len(codebook), rng, iterations=10))
            sums.copy_(codebook)
            residual = residual - codebook[nearest(residual, codebook)]
        self.sizes.fill_(1.0)

    def loss(self, batch: ActionBatch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """L1 reconstruction through the straight-through estimator plus commitment; moves the codebooks."""
        chunks = batch.actions.flatten(1)
        latent = self.encoder(chunks)
        residual, commitment = latent, latent.new_zeros(())
        for group, codebook in enumerate(self.codebooks):
            code = nearest(residual.detach(), codebook)
            quantized = codebook[code]
            commitment = commitment + F.mse_loss(residual, quantized)
            self._move(group, residual.detach(), code)
            residual = residual - quantized
        # Forward: the sum of codes. Backward: the identity once per group, because each residual layer of the release lets the
        # gradient through to the latent. With one identity for all groups the commitment would weigh twice what it does there.
        straight = len(self.codebooks) * latent
        reconstructed = self.decoder((latent - residual - straight).detach() + straight)
        error = (reconstructed - chunks).abs().mean()
        return error + COMMITMENT * commitment, {"error": error.detach(), "commitment": commitment.detach()}

    @torch.no_grad()
    def _move(self, group: int, members: Tensor, code: Tensor) -> None:
        """Codes follow the mean of their members; one that had none for long keeps its place."""
        codebook, size, total = self.codebooks[group], self.sizes[group], self.sums[group]
        member = (code[:, None] == torch.arange(len(codebook), device=code.device)).to(members)
        size.lerp_(member.sum(0), 1 - CODEBOOK_DECAY)
        total.lerp_(member.T @ members, 1 - CODEBOOK_DECAY)
        alive = size[:, None] > 1e-3
        codebook.copy_(torch.where(alive, total / size[:, None].clamp(min=1e-3), codebook))
