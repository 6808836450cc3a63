"""The residual VQ-VAE of VQ-BeT (Lee et al. 2024): a chunk of actions as a few codes, each for what the ones before leave over.

Sizes and constants after github.com/jeffacce/dynamo_ssl. Codes start from k-means of the encoded chunks instead of at random,
so that none begins dead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.policy import ActionTokenizer, TokenizerConfig
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
    """Works on flat chunks. Codebooks are buffers that follow their members by moving average."""

    Config = ResidualVQConfig
    codebooks: Tensor

    def __init__(self, config: ResidualVQConfig, action_dim: int):
        super().__init__(config, action_dim)
        chunk = config.chunk * action_dim
        hidden = [config.tokenizer_hidden] * 2
        self.encoder, self.decoder = mlp(chunk, hidden, config.latent), mlp(config.latent, hidden, chunk)
        self.register_buffer("codebooks", torch.zeros(config.groups, config.codes, config.latent))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight)
                nn.init.zeros_(module.bias)

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

    @torch.enable_grad()
    def fit(self, actions: Tensor, rng: torch.Generator) -> None:
        """Train on the distinct chunks, once; afterwards nothing here changes."""
        chunks = actions.flatten(1).unique(dim=0)
        self.requires_grad_(True)
        optimizer = torch.optim.Adam(self.parameters(), lr=LR, weight_decay=DECAY)
        averages = self._start_codebooks(chunks, rng)
        for _ in range(self.config.tokenizer_epochs):
            order = torch.randperm(len(chunks), generator=rng, device=chunks.device)
            for rows in order.split(self.config.tokenizer_batch):
                loss = self._loss(chunks[rows], averages)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
        self.requires_grad_(False)

    def _loss(self, chunks: Tensor, averages: list[tuple[Tensor, Tensor]]) -> Tensor:
        """L1 reconstruction through the straight-through estimator plus commitment; moves the codebooks."""
        latent = self.encoder(chunks)
        residual, commitment = latent, latent.new_zeros(())
        for codebook, (count, total) in zip(self.codebooks, averages, strict=True):
            code = nearest(residual.detach(), codebook)
            quantized = codebook[code]
            commitment = commitment + F.mse_loss(residual, quantized)
            self._move(codebook, count, total, residual.detach(), code)
            residual = residual - quantized
        # Forward: the sum of codes. Backward: the identity once per group, because each residual layer of the release lets the
        # gradient through to the latent. With one identity for all groups the commitment would weigh twice what it does there.
        straight = len(self.codebooks) * latent
        reconstructed = self.decoder((latent - residual - straight).detach() + straight)
        return (reconstructed - chunks).abs().mean() + COMMITMENT * commitment

    @torch.no_grad()
    def _start_codebooks(self, chunks: Tensor, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
        """k-means of the encoded chunks, then of what remains; with each code's size and sum."""
        residual, averages = self.encoder(chunks), []
        for codebook in self.codebooks:
            codebook.copy_(k_means(residual, len(codebook), rng, iterations=10))
            averages.append((torch.ones_like(codebook[:, 0]), codebook.clone()))
            residual = residual - codebook[nearest(residual, codebook)]
        return averages

    @torch.no_grad()
    def _move(self, codebook: Tensor, count: Tensor, total: Tensor, members: Tensor, code: Tensor) -> None:
        """Codes follow the mean of their members; one that had none for long keeps its place."""
        member = F.one_hot(code, len(codebook)).to(members)
        count.lerp_(member.sum(0), 1 - CODEBOOK_DECAY)
        total.lerp_(member.T @ members, 1 - CODEBOOK_DECAY)
        alive = count[:, None] > 1e-3
        codebook.copy_(torch.where(alive, total / count[:, None].clamp(min=1e-3), codebook))
