"""Image encoders: preprocessing around a trunk, and the backbones that trained methods choose by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from benchmark.contracts.encoder import Encoder, Layer
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.models.images import ImageEncoder
from benchmark.models.precision import at_least_float32
from benchmark.models.resnet import STAGES, ResNet18
from benchmark.models.timm_encoder import Network, build, layers_of, nearest_size
from benchmark.models.weights import load

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

WIDTHS = {"smoke": 8, "quick": 16, "standard": 32, "paper": 64}  # of the backbone, the same for every row of a preset
VIT_SHAPES = {"vit_tiny": (12, 3), "vit_small": (12, 6), "vit_base": (12, 12)}  # blocks, heads (DeiT and ViT papers)


class ConvEncoder(ImageEncoder):
    """A ResNet: `pooled` is the global average of its last map, layer1 to layer4 are the maps of its stages.

    `layer4` and `patch` hold the same numbers, as a map and as tokens.
    """

    def __init__(self, trunk: ResNet18, **preprocessing):
        super().__init__(**preprocessing)
        self.trunk = trunk.to(memory_format=torch.channels_last)
        self.dim = self.patch_dim = trunk.dim
        self.trunk_name = f"ResNet-18 of width {trunk.dim // 8}" + ", blocks start as their shortcuts" * trunk.zero_residuals

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
        self.trunk_name = f"ViT of {len(vit.blocks)} blocks and width {vit.embed_dim}"

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

    def dense(self, images: Tensor, names: Sequence[str]) -> dict[str, Layer]:
        if not self.vit.num_prefix_tokens or not names:
            return super().dense(images, names)
        self.check_features(names)
        return layers_of(self.vit, self.prepare(images), {name: int(name.removeprefix("block")) - 1 for name in names})


def _average(grid: Tensor) -> Tensor:
    return grid.mean((2, 3))


def _tokens(grid: Tensor) -> Tensor:
    return grid.flatten(2).transpose(1, 2)


def build_backbone(name: str, width: int, resolution: int, zero_residuals: bool = False) -> Encoder:
    """The untrained encoder a method learns: resnet18, vit_tiny, vit_small or vit_base, or any network of timm's that gives a
    map or tokens, which has the width, initialisation and image size (where it is tied to one) that timm gives it.

    `width` is the number of channels of the first ResNet stage or of an attention head, so that 64 is the network of the
    literature in both families and a smaller number narrows either. `zero_residuals` is of the ResNet alone.
    """
    if name == "resnet18":
        return ConvEncoder(ResNet18(width, zero_residuals))
    if name in VIT_SHAPES:
        return _vit(name, width, resolution)
    network = Network(name)
    return build(network, size=nearest_size(network, resolution), look=resolution)


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
