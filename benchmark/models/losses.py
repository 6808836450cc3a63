"""Terms that several methods share, of vectors on the last axis and a batch of any shape before it.

All of them compute in float32 or better, whatever autocast does around them; what is said of a batch is said of the whole one,
however many processes share it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.collective import gather, processes, require_whole
from benchmark.models.batch_norm import normalise
from benchmark.models.precision import at_least_float32


def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - cos(prediction, target); BYOL's loss is twice that. Detaching the target is the caller's choice."""
    return 1 - F.cosine_similarity(at_least_float32(prediction), at_least_float32(target), dim=-1).mean()


def covariance(x: Tensor) -> Tensor:
    """Squared off-diagonal entries of the covariance matrix, summed and divided by the dimension (VICReg, equation 4)."""
    x = gather(at_least_float32(x).flatten(0, -2))
    with torch.autocast(x.device.type, enabled=False):
        centred = x - x.mean(0)
        matrix = centred.T @ centred / (len(x) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / x.shape[1]


def variance(x: Tensor, target: float = 1.0, eps: float = 1e-4) -> Tensor:
    """Mean hinge of each dimension's standard deviation below `target` (VICReg, equations 1 and 2)."""
    return F.relu(target - torch.sqrt(gather(at_least_float32(x).flatten(0, -2)).var(0) + eps)).mean()


def standardise(x: Tensor) -> Tensor:
    """Every dimension to mean 0 and variance 1 over the batch: batch norm without parameters or memory."""
    require_whole()
    flat = at_least_float32(x).flatten(0, -2)
    normalised = F.batch_norm(flat, None, None, training=True) if processes() == 1 else normalise(flat).normalised
    return normalised.view(x.shape)
