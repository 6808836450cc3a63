"""Numbers that have units, such as actions and proprioception, without them."""

from __future__ import annotations

from torch import Tensor

from benchmark.models.batch_norm import normalise

STILL = 1e-10  # a variance beside which that of a dimension does not count: 0.01 mm, where units are metres


def in_deviations(x: Tensor) -> Tensor:
    """Every dimension to mean 0 and variance 1 over the batch, in whatever unit it is.

    Not `losses.standardise`: what batch norm adds to a variance, 1e-5, is that of 3 mm. Steps of a robot at 10 Hz are as small.
    """
    return normalise(x.double().flatten(0, -2), STILL).normalised.to(x.dtype).view(x.shape)
