"""Affine normalisation whose statistics are buffers: the state dict is the artifact, and nothing else has to travel with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.errors import BenchmarkError

MODES = ("standard", "minmax", "identity")
CONSTANT = 1e-3  # a dimension that varies less than this fraction of the most variable one is left unscaled
ROWS = 65536  # read at a time, so that a memory-mapped array never has to fit into memory


class Normalizer(nn.Module):
    """y = (x - shift) / scale per dimension; the identity until fitted.

    "standard" gives zero mean and unit variance, "minmax" the range [-1, 1]. Dimensions that (almost) never move are only
    centred: dividing by their spread would turn a speck of noise in a rollout into a huge input.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, data: Tensor | np.ndarray, mode: str = "standard", exclude: Sequence[int] = ()) -> Normalizer:
        """Statistics of (N, dim) data, accumulated in float64. Excluded dimensions, such as grippers, pass unchanged."""
        if mode not in MODES:
            raise BenchmarkError(f"normalisation '{mode}' is none of {', '.join(MODES)}")
        if data.ndim != 2 or data.shape[1] != len(self.shift) or len(data) == 0:
            raise BenchmarkError(
                f"cannot fit a normaliser of {len(self.shift)} dimensions to data of shape {tuple(data.shape)}"
            )

        def parts() -> Iterator[Tensor]:
            for part in range(0, len(data), ROWS):
                yield torch.as_tensor(data[part : part + ROWS]).to(zero)

        zero = torch.zeros_like(self.shift, dtype=torch.float64)
        if mode == "standard":
            shift = sum((part.sum(0) for part in parts()), zero) / len(data)
            spread = (sum((((part - shift) ** 2).sum(0) for part in parts()), zero) / len(data)).sqrt()
        elif mode == "minmax":
            low = torch.stack([part.amin(0) for part in parts()]).amin(0)
            high = torch.stack([part.amax(0) for part in parts()]).amax(0)
            shift, spread = (high + low) / 2, (high - low) / 2
        else:
            shift, spread = zero, zero + 1
        if not torch.isfinite(spread).all():
            raise BenchmarkError("cannot normalise data with NaN or infinite values")
        scale = torch.where(spread > CONSTANT * spread.max(), spread, 1.0)
        self.shift.copy_(shift)
        self.scale.copy_(scale)
        self.shift[list(exclude)], self.scale[list(exclude)] = 0.0, 1.0
        return self

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale

    def inverse(self, y: Tensor) -> Tensor:
        return y * self.scale + self.shift
