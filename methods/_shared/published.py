"""The base of methods that take a published encoder as it is, and the networks that such encoders are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import Presets, require
from benchmark.models.encoders import ViTEncoder
from benchmark.models.images import IMAGENET_MEAN, IMAGENET_STD
from benchmark.models.weights import Weights, content, load, unavailable_reason


@dataclass
class FrozenConfig(MethodConfig):
    size: int = 224  # pixels; frames of another size are resized to it
    pretrained: bool = True  # False: the same network and preprocessing, untrained
    multiple: ClassVar[int] = 1  # of which the size must be one

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size >= 32, f"size must be at least 32 pixels, not {self.size}")
        require(self.size % self.multiple == 0, f"size={self.size} cannot be cut into patches of {self.multiple} pixels")


@dataclass
class Patches16(FrozenConfig):
    multiple = 16


@dataclass
class Patches14(FrozenConfig):
    multiple = 14


class Frozen(Method):
    """A published encoder. A subclass names its `weights`, and `mean` and `std` where they are not ImageNet's.

    Frames are resized to `size` with antialiasing (bicubic) and normalised, never cropped: the 256-then-224 centre crop of
    photographs would cut 6 % off every side of a rendered scene, where the objects are. 224 pixels are the usual size of all of
    these; a smaller `size` shrinks the grid of patches, resizing learned positions, and makes features worse but cheaper.
    `build_encoder` reads no file; the constructor does, and fails without it.

    What a row owes to its weights is its distance to `NAME:untrained`: the same network at timm's (a ResNet: torchvision's)
    initialisation, another for each training seed, with the same preprocessing. It needs no file.
    """

    Config: ClassVar[type[MethodConfig]] = FrozenConfig
    presets: ClassVar[Presets] = {"smoke": {"size": 112}, "quick": {"size": 112}}  # a quarter of the work
    variants = {"untrained": {"pretrained": False}}
    learns = False
    weights: ClassVar[Weights]
    wrap: ClassVar[Callable[..., Encoder]] = ViTEncoder  # the network, with size, mean and std -> the encoder
    mean: ClassVar[tuple[float, ...]] = IMAGENET_MEAN
    std: ClassVar[tuple[float, ...]] = IMAGENET_STD
    dim: ClassVar[int] = 768  # features of an image and of a patch, so that a plan need not build the network to know

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        if config.pretrained:
            (network,) = self.encoder.children()
            load(self.weights, network)
        self.requires_grad_(False)

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return cls.wrap(cls.weights.network(config.size), size=config.size, mean=cls.mean, std=cls.std)

    @classmethod
    def seeded(cls, config: Any) -> bool:
        return not config.pretrained

    @classmethod
    def licence(cls, config: Any) -> str:
        return cls.weights.licence if config.pretrained else ""

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        return unavailable_reason(cls.weights) if config.pretrained else None

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        return {cls.weights.file: content(cls.weights)} if config.pretrained else {}


def vit(architecture: str, size: int, **options: Any) -> nn.Module:
    """A vision transformer of timm's, without a classifier."""
    import timm

    return timm.create_model(architecture, num_classes=0, img_size=size, **options)


_FROM_TRANSFORMERS = (
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^embeddings\.", ""),
    (r"^layernorm", "norm"),
    (r"^encoder\.layer\.", "blocks."),
    (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"attention\.attention", "attn"),
    (r"attention\.output\.dense", "attn.proj"),
    (r"intermediate\.dense", "mlp.fc1"),
    (r"output\.dense", "mlp.fc2"),
)


def from_transformers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A `ViTModel` or `Dinov2Model` of transformers (before its version 5) -> timm: other names, one matrix for q, k and v."""
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _FROM_TRANSFORMERS:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    for name in [name for name in renamed if ".attn.query." in name]:
        parts = [name.replace("query", part) for part in ("query", "key", "value")]
        if all(part in renamed for part in parts):
            renamed[name.replace("query", "qkv")] = torch.cat([renamed.pop(part) for part in parts])
    return renamed
