"""Affine normalisation whose statistics are buffers: the state dict is the artifact, and nothing else has to travel with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.errors import BenchmarkError

MODES = ("standard", "minmax")
CONSTANT = 1e-3  # a dimension that varies less than this fraction of the most variable one is left unscaled
ROUNDING = 1e-5  # what varies less than this fraction of that, or of its own size, does not vary
ROWS = 65536  # read at a time, so that a memory-mapped array never has to fit into memory


class Normalizer(nn.Module):
    """y = (x - shift) / scale per dimension; the identity until fitted.

    "standard", for what is seen, gives zero mean and unit variance. Dimensions that almost never move are only centred:
    dividing by their spread would turn a speck of noise in a rollout into a huge input. "minmax", for what is done, gives the
    range [-1, 1]. Units differ there, millimetres beside radians, so only what is constant is left out; it is given back as
    that constant whatever is predicted, and its scale is 0.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, data: Tensor | np.ndarray, mode: str = "standard") -> Normalizer:
        """Statistics of (N, dim) data, accumulated in float64."""
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
        else:
            low = torch.stack([part.amin(0) for part in parts()]).amin(0)
            high = torch.stack([part.amax(0) for part in parts()]).amax(0)
            shift, spread = (high + low) / 2, (high - low) / 2
        if not torch.isfinite(spread).all():
            raise BenchmarkError("cannot normalise data with NaN or infinite values")
        if mode == "standard":
            scale = torch.where(spread > CONSTANT * spread.max(), spread, 1.0)
        else:
            scale = torch.where(spread > ROUNDING * torch.maximum(shift.abs(), spread.max()), spread, 0.0)
        self.shift.copy_(shift)
        self.scale.copy_(scale)
        return self

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / torch.where(self.scale == 0, 1.0, self.scale)

    def inverse(self, y: Tensor) -> Tensor:
        return y * self.scale + self.shift
