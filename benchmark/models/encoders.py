"""Image encoders: preprocessing around a trunk, and the backbones that trained methods choose by name.

timm and lightly are imported where a network is built: they take seconds, and a plan or a table builds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.encoder import Encoder, as_float
from benchmark.core.errors import UnknownName
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.models.precision import at_least_float32
from benchmark.models.resnet import STAGES, ResNet18
from benchmark.models.weights import load

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

WIDTHS = {"smoke": 8, "quick": 16, "standard": 32, "paper": 64}  # of the backbone, the same for every row of a preset
VIT_SHAPES = {"vit_tiny": (12, 3), "vit_small": (12, 6), "vit_base": (12, 12)}  # blocks, heads (DeiT and ViT papers)


class ImageEncoder(Encoder):
    """Preprocessing shared by encoders of images: [0, 1] floats, an optional resize, channel normalisation.

    `size` is for networks tied to one resolution: frames of another are resized with antialiasing. Without it frames keep the
    size they come in.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int | None = None, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD):
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def prepare(self, images: Tensor) -> Tensor:
        """Raw frames -> the trunk's input, in the memory layout that convolutions are fastest in."""
        own = images.dtype == torch.uint8  # then the floats are ours, and what follows need not allocate
        images = as_float(images)
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bicubic", antialias=True)
            own = True
        in_place = own and images.dtype == self.mean.dtype
        centred = images.sub_(self.mean).div_(self.std) if in_place else (images - self.mean) / self.std
        return centred.contiguous(memory_format=torch.channels_last)


class ConvEncoder(ImageEncoder):
    """A ResNet: `pooled` is the global average of its last map, layer1 to layer4 are the maps of its stages.

    `layer4` and `patch` hold the same numbers, as a map and as tokens.
    """

    def __init__(self, trunk: ResNet18, **preprocessing):
        super().__init__(**preprocessing)
        self.trunk = trunk.to(memory_format=torch.channels_last)
        self.dim = self.patch_dim = trunk.dim

    def start_from(self, weights: str) -> None:
        load(RESNET18_IMAGENET, self.trunk)

    def feature_map(self, images: Tensor) -> Tensor:
        return at_least_float32(self.trunk(self.prepare(images)))

    def pooled(self, images: Tensor) -> Tensor:
        return _average(self.feature_map(images))

    def patch(self, images: Tensor) -> Tensor:
        return _tokens(self.feature_map(images))

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*super().feature_names, *STAGES)

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        maps = self.trunk.maps(self.prepare(images), {name if name in STAGES else "layer4" for name in names})
        maps = {name: at_least_float32(x) for name, x in maps.items()}
        if "pooled" in names:
            maps["pooled"] = _average(maps["layer4"])
        if "patch" in names:
            maps["patch"] = _tokens(maps["layer4"])
        return {name: maps[name] for name in names}


class ViTEncoder(ImageEncoder):
    """A timm vision transformer: `pooled` is its own pooling (the class token by default), `patch` its patch tokens.

    block1, block2, ... are the patch tokens after each block as a map, without class and register tokens. No norm follows, so
    the last one is not `patch`.
    """

    def __init__(self, vit: VisionTransformer, **preprocessing):
        super().__init__(**preprocessing)
        self.vit = vit
        self.dim = self.patch_dim = vit.embed_dim

    def pooled(self, images: Tensor) -> Tensor:
        return at_least_float32(self.vit.forward_head(self.vit.forward_features(self.prepare(images)), pre_logits=True))

    def patch(self, images: Tensor) -> Tensor:
        return at_least_float32(self.vit.forward_features(self.prepare(images))[:, self.vit.num_prefix_tokens :])

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*super().feature_names, *(f"block{i + 1}" for i in range(len(self.vit.blocks))))

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        blocks = [name for name in names if name.startswith("block")]
        if not blocks:
            return super().features(images, names)
        indices = sorted({int(name.removeprefix("block")) - 1 for name in blocks})
        intermediates: Any = self.vit.forward_intermediates(self.prepare(images), indices=indices)
        last, maps = intermediates
        given = {f"block{index + 1}": at_least_float32(x) for index, x in zip(indices, maps, strict=True)}
        given["pooled"] = at_least_float32(self.vit.forward_head(last, pre_logits=True))
        given["patch"] = at_least_float32(last[:, self.vit.num_prefix_tokens :])
        return {name: given[name] for name in names}


def _average(grid: Tensor) -> Tensor:
    return grid.mean((2, 3))


def _tokens(grid: Tensor) -> Tensor:
    return grid.flatten(2).transpose(1, 2)


def build_backbone(name: str, width: int, resolution: int, zero_residuals: bool = False) -> Encoder:
    """The untrained encoder a method learns: resnet18, vit_tiny, vit_small or vit_base.

    `width` is the number of channels of the first ResNet stage or of an attention head, so that 64 is the network of the
    literature in both families and a smaller number narrows either. `zero_residuals` is of the ResNet alone.
    """
    if name == "resnet18":
        return ConvEncoder(ResNet18(width, zero_residuals))
    if name in VIT_SHAPES:
        return _vit(name, width, resolution)
    raise UnknownName("backbone", name, ["resnet18", *VIT_SHAPES])


def _vit(name: str, width: int, resolution: int) -> ViTEncoder:
    """Patches of 16 pixels as in the literature from 128 pixels on; of 8 below, where 16 would leave a handful of tokens.

    A resolution that the patch does not divide is resized to the next lower one that it does. The start is that of MAE:
    positions are sines and cosines that are not learned, linear layers are Xavier's.
    """
    from lightly.models.utils import initialize_2d_sine_cosine_positional_embedding as sine_cosine
    from timm.models.vision_transformer import VisionTransformer

    blocks, heads = VIT_SHAPES[name]
    patch = 16 if resolution >= 128 else 8
    size = resolution // patch * patch
    vit = VisionTransformer(size, patch, num_classes=0, embed_dim=heads * width, depth=blocks, num_heads=heads)
    sine_cosine(vit.pos_embed)
    vit.apply(xavier)
    nn.init.xavier_uniform_(vit.patch_embed.proj.weight.view(vit.embed_dim, -1))
    nn.init.normal_(cast(Tensor, vit.cls_token), std=0.02)
    return ViTEncoder(vit, size=size)


def xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
