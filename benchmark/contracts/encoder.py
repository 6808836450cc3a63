"""Images -> features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.core.errors import BenchmarkError


class Encoder(nn.Module, ABC):
    """Images -> features. Owns its preprocessing: callers hand over raw frames of any size.

    `dim` is the width of `pooled`. An encoder with a spatial map also sets `patch_dim` and implements `patch`.
    `reads = "state"` marks the privileged upper bound: it is fed the simulator state instead of frames.
    """

    reads: ClassVar[Literal["frames", "state"]] = "frames"
    dim: int
    patch_dim: int | None = None

    @abstractmethod
    def pooled(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), uint8 or float in [0, 1] -> (N, dim). For `reads = "state"`: (N, state_dim) -> (N, dim)."""

    def patch(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, tokens, patch_dim), row-major over a square grid, without class or register tokens."""
        raise NotImplementedError(f"{type(self).__name__} has no patch features")

    def start_from(self, weights: str) -> None:
        """Take over published weights before any training (`MethodConfig.init`)."""
        raise BenchmarkError(f"init={weights}: a {type(self).__name__} has no ResNet-18 trunk to fill")

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(images)


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float 0..1; float passes through."""
    return images.float() / 255 if images.dtype == torch.uint8 else images
