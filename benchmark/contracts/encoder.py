"""Images -> features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.core.errors import BenchmarkError, UnknownName


class Encoder(nn.Module, ABC):
    """Images -> named features. Owns its preprocessing: callers hand over raw frames of any size.

    Every encoder has `pooled` (N, dim); one with a spatial output also sets `patch_dim` and implements `patch`, (N, tokens,
    patch_dim). One with intermediate layers to show names them in `feature_names` and gives them in `features`, each a map
    (N, C, H, W) at its own resolution; whoever has none leaves both alone. `reads = "state"` marks the privileged upper bound:
    it is fed the simulator state instead of frames.

    `takes_goal` marks one that looks at an observation and its goal together: early fusion, FiLM. It implements `read_goal` and
    `towards` besides, its `features` are those of an observation that is told no goal, and its policy is told none either. What
    a policy is given are its features all the same, so that every head can learn on them, and what it has seen once it need not
    look at again as long as an episode keeps its goal. (A head that ate frames would need a way of its own through cached
    features, histories and rollouts, and its column would say the same in every row.)
    """

    reads: ClassVar[Literal["frames", "state"]] = "frames"
    takes_goal: ClassVar[bool] = False
    dim: int
    tokens: int = 1  # equal vectors that `pooled` is made of, one after the other
    patch_dim: int | None = None

    @abstractmethod
    def pooled(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), uint8 or float in [0, 1] -> (N, dim). For `reads = "state"`: (N, state_dim) -> (N, dim)."""

    def patch(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, tokens, patch_dim), row-major over a square grid, without class or register tokens."""
        raise NotImplementedError(f"{type(self).__name__} has no patch features")

    @property
    def feature_names(self) -> tuple[str, ...]:
        return ("pooled",) if self.patch_dim is None else ("pooled", "patch")

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The named ones. Here one pass for each: an encoder that can give several in one pass overrides this."""
        self.check_features(names)
        return {name: self.pooled(images) if name == "pooled" else self.patch(images) for name in names}

    def read_goal(self, goal: Tensor) -> Tensor:
        """What it makes of goals, once for all images that it will look at with them: (N, 3, H, W) as in `pooled`, where they
        are observations, or (N, G) numbers -> (N, ...)."""
        raise NotImplementedError(f"{type(self).__name__} takes no goals")

    def towards(self, images: Tensor, told: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """`features` of images, each with what `read_goal` made of its goal."""
        raise NotImplementedError(f"{type(self).__name__} takes no goals")

    def check_features(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.feature_names:
                raise UnknownName(f"feature of {type(self).__name__}", name, self.feature_names)

    @torch.no_grad()
    def feature_shapes(self, resolution: int) -> dict[str, tuple[int, ...]]:
        """Of every named feature of one image, by looking at one."""
        training = self.training
        device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), None)
        shape = (1, self.dim) if self.reads == "state" else (1, 3, resolution, resolution)
        features = self.eval().features(torch.zeros(shape, device=device), self.feature_names)
        self.train(training)
        return {name: tuple(tensor.shape[1:]) for name, tensor in features.items()}

    def start_from(self, weights: str) -> None:
        """Take over published weights before any training (`MethodConfig.init`)."""
        raise BenchmarkError(f"init={weights}: a {type(self).__name__} has no ResNet-18 trunk to fill")

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(images)


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float 0..1; float passes through."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images
