"""Feature-wise linear modulation (Perez et al. 2018) and TokenLearner (Ryoo et al. 2021): RT-1's few tokens of an image.

Sizes after github.com/google-research/robotics_transformer, film_conditioning_layer.py and token_learner.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6  # of RT-1's norms


class FiLM(nn.Module):
    """(1 + gamma) x + beta, with gamma and beta linear in what is told. It starts as the identity, so that it does not disturb
    the weights around it (RT-1, section 5.1)."""

    def __init__(self, told: int, channels: int):
        super().__init__()
        self.scale_and_shift = nn.Linear(told, 2 * channels)
        nn.init.zeros_(self.scale_and_shift.weight)
        nn.init.zeros_(self.scale_and_shift.bias)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Maps (N, C, H, W) or tokens (N, T, C), and (N, told)."""
        gamma, beta = self.scale_and_shift(told).chunk(2, dim=-1)
        shape = (len(x), -1, 1, 1) if x.ndim == 4 else (len(x), 1, -1)
        return (1 + gamma.view(shape)) * x + beta.view(shape)


class TokenLearner(nn.Module):
    """(N, T, C) -> (N, tokens, C): each token is an average of all places, weighted by a softmax over them (version 1.1).

    For 8 tokens of width 512 it has 34 376 parameters: RT-1's 34K.
    """

    def __init__(self, width: int, tokens: int, bottleneck: int = 64):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.hidden, self.weigh = nn.Linear(width, bottleneck), nn.Linear(bottleneck, tokens)
        for layer in (self.hidden, self.weigh):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.weigh(F.gelu(self.hidden(self.norm(x)), approximate="tanh"))
        return torch.softmax(scores, dim=1).transpose(1, 2) @ x
