"""How near a representation is to collapse, cheaply enough for every step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.models.precision import at_least_float32


@torch.no_grad()
def spread(features: Tensor) -> Tensor:
    """1 for directions that fill the sphere, 0 for one and the same direction.

    The mean standard deviation over a batch of the coordinates of L2-normalised features, times the root of the dimension
    (SimSiam, section 4.1). Collapse of single dimensions does not show here; that is what the effective rank is for.
    """
    directions = F.normalize(at_least_float32(features.detach()).flatten(0, -2), dim=-1)
    return directions.std(0).mean() * directions.shape[1] ** 0.5
