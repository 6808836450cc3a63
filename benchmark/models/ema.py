"""Target networks: slowly moving copies of what is trained."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import nn


class EMA(nn.Module):
    """An exponential moving average of a module's parameters, called like the module and never differentiated.

    The copy follows train and eval mode, so in training its batch norms normalise with the statistics of the batch, as in BYOL
    and MoCo-v3, and keep their own running ones. Buffers are therefore not averaged.
    """

    def __init__(self, online: nn.Module):
        super().__init__()
        self.target = deepcopy(online).requires_grad_(False)

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.target(*args, **kwargs)

    def update(self, online: nn.Module, momentum: float) -> None:
        """target <- momentum * target + (1 - momentum) * online."""
        targets = [p.detach() for p in self.target.parameters()]
        torch._foreach_mul_(targets, momentum)
        torch._foreach_add_(targets, [p.detach() for p in online.parameters()], alpha=1 - momentum)


def cosine_momentum(start: float, step: int, steps: int) -> float:
    """From `start` at the first step towards 1 at the end along half a cosine (BYOL, appendix B; MoCo-v3)."""
    return 1 - (1 - start) * (1 + math.cos(math.pi * step / steps)) / 2
