"""Image encoders: preprocessing around a trunk, and the backbones that trained methods choose by name."""

from __future__ import annotations

from typing import cast

import torch
from lightly.models.utils import initialize_2d_sine_cosine_positional_embedding as sine_cosine
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.encoder import Encoder, as_float
from benchmark.core.errors import UnknownName
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.models.precision import at_least_float32
from benchmark.models.resnet import ResNet18
from benchmark.models.weights import load

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
        images = as_float(images)
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bicubic", antialias=True)
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


class ConvEncoder(ImageEncoder):
    """A trunk that ends in a feature map: `pooled` is its global average, `patch` the map itself."""

    def __init__(self, trunk: nn.Module, dim: int, **preprocessing):
        super().__init__(**preprocessing)
        self.trunk = trunk.to(memory_format=torch.channels_last)
        self.dim = self.patch_dim = dim

    def start_from(self, weights: str) -> None:
        load(RESNET18_IMAGENET, self.trunk)

    def feature_map(self, images: Tensor) -> Tensor:
        return at_least_float32(self.trunk(self.prepare(images)))

    def pooled(self, images: Tensor) -> Tensor:
        return self.feature_map(images).mean((2, 3))

    def patch(self, images: Tensor) -> Tensor:
        return self.feature_map(images).flatten(2).transpose(1, 2)


class ViTEncoder(ImageEncoder):
    """A timm vision transformer: `pooled` is its own pooling (the class token by default), `patch` its patch tokens."""

    def __init__(self, vit: VisionTransformer, **preprocessing):
        super().__init__(**preprocessing)
        self.vit = vit
        self.dim = self.patch_dim = vit.embed_dim

    def pooled(self, images: Tensor) -> Tensor:
        return at_least_float32(self.vit.forward_head(self.vit.forward_features(self.prepare(images)), pre_logits=True))

    def patch(self, images: Tensor) -> Tensor:
        return at_least_float32(self.vit.forward_features(self.prepare(images))[:, self.vit.num_prefix_tokens :])


def build_backbone(name: str, width: int, resolution: int, zero_residuals: bool = False) -> Encoder:
    """The untrained encoder a method learns: resnet18, vit_tiny, vit_small or vit_base.

    `width` is the number of channels of the first ResNet stage or of an attention head, so that 64 is the network of the
    literature in both families and a smaller number narrows either. `zero_residuals` is of the ResNet alone.
    """
    if name == "resnet18":
        trunk = ResNet18(width, zero_residuals)
        return ConvEncoder(trunk, trunk.dim)
    if name in VIT_SHAPES:
        return _vit(name, width, resolution)
    raise UnknownName("backbone", name, ["resnet18", *VIT_SHAPES])


def _vit(name: str, width: int, resolution: int) -> ViTEncoder:
    """Patches of 16 pixels as in the literature from 128 pixels on; of 8 below, where 16 would leave a handful of tokens.

    A resolution that the patch does not divide is resized to the next lower one that it does. The start is that of MAE:
    positions are sines and cosines that are not learned, linear layers are Xavier's.
    """
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
