"""Images -> features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.core.errors import BenchmarkError, UnknownName


@dataclass(frozen=True)
class Layer:
    """What a network gives at one depth."""

    map: Tensor  # (N, C, H, W)
    summary: Tensor  # (N, C): the class token at that depth; in a network without one, the mean of the map


class Encoder(nn.Module, ABC):
    """Images -> named features. Owns its preprocessing: callers hand over raw frames of any size.

    Every encoder has `pooled` (N, dim); one with a spatial output also sets `patch_dim` and implements `patch`, (N, tokens,
    patch_dim). One with intermediate layers to show names them in `feature_names` and gives them in `features`, each a map
    (N, C, H, W) at its own resolution, from the first layer to the last; whoever has none leaves both alone. What builds on
    such maps asks for them by `dense`. `reads = "state"` marks the privileged upper bound: it is fed the simulator state and no
    frames.

    `takes_goal` marks one that looks at an observation and its goal together: early fusion, FiLM. It implements `read_goal` and
    `towards` besides, its `features` are those of an observation that is told no goal, and its policy is told none either. What
    a policy is given are its features all the same, so that every head can learn on them, and what it has seen once it need not
    look at again as long as an episode keeps its goal. (A head that ate frames would need a way of its own through cached
    features, histories and rollouts, and its column would say the same in every row.)
    """

    reads: ClassVar[Literal["frames", "state"]] = "frames"
    with_depth: bool = False  # an image has six channels: those of a view and those of its depth, the view after it
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

    @property
    def map_names(self) -> tuple[str, ...]:
        """The features that are maps, from the first layer to the last."""
        return tuple(name for name in self.feature_names if name not in ("pooled", "patch"))

    def dense(self, images: Tensor, names: Sequence[str]) -> dict[str, Layer]:
        """The layers of these maps. A network with class tokens overrides this to give them as well."""
        return {name: Layer(x, x.mean((2, 3))) for name, x in self.features(images, names).items()}

    @torch.no_grad()
    def feature_shapes(self, resolution: int, names: Sequence[str] | None = None) -> dict[str, tuple[int, ...]]:
        """Of the named features of one image, or of all, by looking at one."""
        training = self.training
        device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), None)
        shape = (1, self.dim) if self.reads == "state" else (1, 6 if self.with_depth else 3, resolution, resolution)
        features = self.eval().features(torch.zeros(shape, device=device), self.feature_names if names is None else names)
        self.train(training)
        return {name: tuple(tensor.shape[1:]) for name, tensor in features.items()}

    @property
    def description(self) -> str:
        """The network and what it does to frames, for the line under a table that says in what rows differ."""
        return type(self).__name__

    def start_from(self, weights: str) -> None:
        """Take over published weights before any training (`MethodConfig.init`)."""
        raise BenchmarkError(f"init={weights}: a {type(self).__name__} has no ResNet-18 trunk to fill")

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(images)


class FusedEncoder(Encoder):
    """Learns beside a network that does not: `frozen` is what that one makes of images, `fused` what both make of them.

    What is frozen is the same in every step, so a training may compute it once and hand it over (benchmark/training/frozen.py).
    """

    frozen_dim: int  # numbers of `frozen` for an image; 0: nothing that would be worth keeping

    @abstractmethod
    def frozen(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, frozen_dim), without a gradient. None of it is larger than 1: it may be kept in 16 bits."""

    @abstractmethod
    def fused(self, images: Tensor, frozen: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """The named features of images, from them and from `frozen(images)`."""

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        return self.fused(images, self.frozen(images), names)

    def pooled(self, images: Tensor) -> Tensor:
        return self.features(images, ("pooled",))["pooled"]

    def patch(self, images: Tensor) -> Tensor:
        return self.features(images, ("patch",))["patch"]


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float 0..1; float passes through."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images
