"""How near a representation is to collapse, cheaply enough for every step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.collective import gather
from benchmark.models.precision import at_least_float32

LEFT = 0.02  # by which a loss must lie below its trivial value, relative to it


def learning_verdict(first: float, last: float, trivial: float | None) -> str | None:
    """Why a method cannot have learned anything, or None. `trivial` is `Method.trivial_loss`.

    What counts is where the loss ends, not where it began: DINO starts below its trivial value and rises to it. The margin lies
    between what did not learn and what did in the committed curves: MoCo-v3 on the kitchen ends 0.6 % above its trivial value,
    on Push-T after as many steps 4 % below.
    """
    if trivial is None or last <= (1 - LEFT) * trivial:
        return None
    return f"the loss went from {first:.4g} to {last:.4g}: one and the same feature for every image would reach {trivial:.4g}"


@torch.no_grad()
def spread(features: Tensor) -> Tensor:
    """1 for directions that fill the sphere, 0 for one and the same direction.

    The mean standard deviation over a batch of the coordinates of L2-normalised features, times the root of the dimension
    (SimSiam, section 4.1). Collapse of single dimensions does not show here; that is what the effective rank is for.
    """
    directions = F.normalize(gather(at_least_float32(features.detach()).flatten(0, -2)), dim=-1)
    return directions.std(0).mean() * directions.shape[1] ** 0.5
