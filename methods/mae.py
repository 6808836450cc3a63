"""MAE (He et al. 2022): rebuild the pixels of the three quarters of an image that the encoder never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import require, require_sizes
from benchmark.core.collective import rand
from benchmark.data.augment import NOTHING, Recipe
from benchmark.models.encoders import VIT_SHAPES, WIDTHS, ViTEncoder, build_backbone, xavier
from benchmark.models.precision import at_least_float32


@dataclass
class MAEConfig(MethodConfig):
    backbones = tuple(VIT_SHAPES)  # it masks patches
    backbone: str = "vit_base"
    augment: bool = True
    mask_ratio: float = 0.75
    norm_pix: bool = True  # every patch of the target with mean 0 and variance 1
    crop: float = 0.2  # smallest area of a crop, the only augmentation besides mirroring
    flip: bool = False  # mirroring a scene changes the action that is right: off, unlike in the literature
    decoder_blocks: int = 8
    decoder_heads: int = 16
    decoder_width: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "decoder_heads", "decoder_width")
        require(0 < self.mask_ratio < 1, f"mask_ratio lies between 0 and 1, not {self.mask_ratio}")
        require(0 < self.crop <= 1, f"crop is an area between 0 and 1, not {self.crop}")
        require(self.decoder_width % self.decoder_heads == 0, "decoder_heads must divide decoder_width")
        token = VIT_SHAPES[self.backbone][1] * self.width
        for name, size in (("decoder_width", self.decoder_width), (f"width={self.width} of {self.backbone}'s heads", token)):
            require(size % 4 == 0, f"{name} makes tokens of {size}, not a multiple of 4: sines and cosines of two axes")


# our choice, for minutes on a processor
SMALL = {"backbone": "vit_tiny", "decoder_blocks": 2, "decoder_heads": 4, "decoder_width": 64, "betas": (0.9, 0.95)}
SMALL |= {"batch_size": 64, "lr": 1e-3, "weight_decay": 0.05}


class MAE(Method):
    """The encoder gets the visible patches only; a light decoder gets them at their places and a mask token at all others.

    Policies see the class token after the last norm, as with VC-1 and MVP, or the patch tokens; nothing is masked then. The
    loss is about patches and leaves the class token to itself: in small budgets what was learned is mostly in the patches.
    """

    name = "mae"
    Config = MAEConfig
    source = "MAE (He et al. 2022), DynaMo paper, Table 12"
    presets = {
        "smoke": SMALL | {"width": WIDTHS["smoke"], "decoder_blocks": 1, "decoder_width": 16, "batch_size": 16},
        "quick": SMALL | {"width": WIDTHS["quick"]},
        "standard": SMALL | {"width": WIDTHS["standard"]},
        # Table 12 and appendix B.1. Not stated there: betas, warm-up (40 of 400 epochs) and normalised targets are as the
        # reference recommends (github.com/facebookresearch/mae, PRETRAIN.md).
        "paper": {"lr": 2.5e-5, "weight_decay": 0.05, "batch_size": 64, "epochs": 400, "betas": (0.9, 0.95)},
        "paper/block_push": {"batch_size": 32},  # of two views
        "paper/libero_goal": {"batch_size": 32},
    }
    variants = {"no_augmentation": {"augment": False}, "raw_pixels": {"norm_pix": False}}

    decoder_positions: Tensor

    def __init__(self, config: MAEConfig, data: DataSpec):
        from lightly.models.utils import initialize_2d_sine_cosine_positional_embedding as sine_cosine
        from timm.models.vision_transformer import Block

        super().__init__(config, data)
        vit: Any = cast(ViTEncoder, self.encoder).vit
        width = config.decoder_width
        self.patch_size = vit.patch_embed.patch_size[0]
        self.embed = nn.Linear(vit.embed_dim, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        positions = nn.Parameter(torch.empty(1, 1 + vit.patch_embed.num_patches, width), requires_grad=False)
        sine_cosine(positions)
        self.register_buffer("decoder_positions", positions.data, persistent=False)
        self.blocks = nn.Sequential(*(Block(width, config.decoder_heads, qkv_bias=True) for _ in range(config.decoder_blocks)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 3 * self.patch_size**2)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in (self.embed, self.blocks, self.head):
            module.apply(xavier)

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        encoder = cast(ViTEncoder, self.encoder)
        recipe = Recipe(self.config.crop, 0.5 if self.config.flip else 0.0) if self.config.augment else NOTHING
        images = encoder.prepare(recipe(batch.frames.flatten(0, 2), rng))
        visible, masked = self.draw(len(images), rng)
        predicted = self.decode(encode_visible(encoder, images, visible), visible, masked)
        return F.mse_loss(at_least_float32(predicted), self.target(images, masked)), {}

    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which patches of each of n images the encoder sees, and which it does not."""
        patches = self.decoder_positions.shape[1] - 1
        order = rand(n, patches, generator=rng).argsort(1)
        seen = int(patches * (1 - self.config.mask_ratio))
        return order[:, :seen], order[:, seen:]

    def decode(self, tokens: Tensor, visible: Tensor, masked: Tensor) -> Tensor:
        """(N, 1 + visible, D) -> the pixels of the masked patches."""
        tokens = self.embed(tokens)
        full = self.mask_token.to(tokens.dtype).expand(len(tokens), visible.shape[1] + masked.shape[1], -1)
        full = full.scatter(1, _index(visible, tokens), tokens[:, 1:])
        full = self.norm(self.blocks(torch.cat([tokens[:, :1], full], 1) + self.decoder_positions))[:, 1:]
        return self.head(full.gather(1, _index(masked, full)))

    def target(self, images: Tensor, masked: Tensor) -> Tensor:
        from lightly.models.utils import patchify

        patches = patchify(images, self.patch_size)
        patches = patches.gather(1, _index(masked, patches))
        if self.config.norm_pix:
            patches = (patches - patches.mean(-1, keepdim=True)) / (patches.var(-1, keepdim=True) + 1e-6).sqrt()
        return patches


def encode_visible(encoder: ViTEncoder, images: Tensor, visible: Tensor) -> Tensor:
    """The class token and the visible patches, after the last norm."""
    vit: Any = encoder.vit
    patches = vit.patch_embed(images) + vit.pos_embed[:, 1:]
    patches = patches.gather(1, _index(visible, patches))
    first = (vit.cls_token + vit.pos_embed[:, :1]).expand(len(images), -1, -1)
    return vit.norm(vit.blocks(torch.cat([first, patches], 1)))


def _index(chosen: Tensor, tokens: Tensor) -> Tensor:
    return chosen[..., None].expand(-1, -1, tokens.shape[-1])
