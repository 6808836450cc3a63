"""Published encoders, frozen: one class per row, each the whole recipe of that row.

Pooled features are what each publisher uses for the whole image; patch features are the patch tokens of the last layer, after
its norm, or the last map of a ResNet. The checkpoints are read by `benchmark.models.weights`.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from benchmark.methods._shared.published import Frozen, Patches14, Patches16, from_transformers, vit
from benchmark.models.encoders import ConvEncoder
from benchmark.models.imagenet import RESNET18_IMAGENET, resnet18
from benchmark.models.weights import Urls, Weights

MAE_FAMILY = ("decoder", "mask_token")  # what a masked autoencoder has besides its encoder


class ImageNet(Frozen):
    """Supervised classification of ImageNet; 512 features from global average pooling."""

    name = "imagenet"
    dim = 512
    wrap = ConvEncoder
    weights = RESNET18_IMAGENET
    source = weights.source


class R3M(Frozen):
    """Time-contrast and language alignment on Ego4D; 512 features from global average pooling.

    The official module wants pixels in 0..255 and divides by 255 itself; fed [0, 1], it sees black. Here the ResNet is taken
    out of it, and fed like any other. The file also holds a language model, which stays there.
    """

    name = "r3m"
    dim = 512
    wrap = ConvEncoder
    weights = Weights(
        name="r3m",
        file="model.pt",
        origin=Urls(
            (
                "https://drive.usercontent.google.com/download?id=1A1ic-p4KtYlKXdXHcV2QV0cUzI4kn0u-&export=download&confirm=t",
                "https://pytorch.s3.amazonaws.com/models/rl/r3m/r3m_18.pt",
            )
        ),
        checksum="md5:777854e2548f91480b0bd538a06ba017",
        licence="MIT",
        source="R3M, ResNet-18 (Nair et al. 2022), github.com/facebookresearch/r3m",
        network=resnet18,
        under="r3m",
        prefix="module.convnet.",
        ignore=("module.lang_enc.", "module.lang_rew."),
    )
    source = weights.source


class VC1(Frozen):
    """Masked autoencoding on egocentric video and ImageNet; the class token after the final norm."""

    name = "vc1"
    Config = Patches16
    weights = Weights(
        name="vc1",
        file="vc1_vitb.pth",
        origin=Urls(
            (
                "https://dl.fbaipublicfiles.com/eai-vc/vc1_vitb.pth",
                "https://huggingface.co/facebook/vc1-base/resolve/main/pytorch_model.bin",
            )
        ),
        licence="CC-BY-NC-4.0",
        source="VC-1, ViT-B/16 (Majumdar et al. 2023), github.com/facebookresearch/eai-vc",
        network=partial(vit, "vit_base_patch16_224"),
        under="model",
        ignore=MAE_FAMILY,
    )
    source = weights.source


class MVP(Frozen):
    """Masked autoencoding on the Ego soup of videos; the class token after the final norm."""

    name = "mvp"
    Config = Patches16
    weights = Weights(
        name="mvp",
        file="mae_pretrain_egosoup_vit_base.pth",
        origin=Urls(("https://berkeley.box.com/shared/static/0ckepd2ja3pi570z89ogd899cn387yut.pth",)),
        checksum="md5:526093597ac1dc55df618bcbdfe8da4a",
        licence="none given",
        source="MVP, ViT-B/16 (Radosavovic et al. 2022), github.com/ir413/mvp",
        network=partial(vit, "vit_base_patch16_224"),
        under="model",
        ignore=MAE_FAMILY,
    )
    source = weights.source


class MVPSmall(Frozen):
    """The small MVP, of hand-object videos (Xiao et al. 2022).

    It has 12 heads, where timm's ViT-S has 6: the tensors have the same shapes, so with 6 it loads and computes nonsense.
    """

    name = "mvp_small"
    dim = 384
    Config = Patches16
    weights = Weights(
        name="mvp_small",
        file="mae_pretrain_hoi_vit_small.pth",
        origin=Urls(("https://berkeley.box.com/shared/static/m93ynem558jo8vltlads5rcmnahgsyzr.pth",)),
        checksum="md5:fe6e30eb4256fae298ea0a6c6b4c1ae7",
        licence="none given",
        source="MVP, ViT-S/16 (Xiao et al. 2022), github.com/ir413/mvp",
        network=partial(vit, "vit_small_patch16_224", num_heads=12),
        under="model",
        ignore=MAE_FAMILY,
    )
    source = weights.source


class MAEImageNet(Frozen):
    """Masked autoencoding on ImageNet: VC-1 and MVP without their videos; the class token after the final norm."""

    name = "mae_imagenet"
    Config = Patches16
    weights = Weights(
        name="mae_imagenet",
        file="mae_pretrain_vit_base.pth",
        origin=Urls(("https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth",)),
        checksum="md5:8cad7c",
        megabytes=343,
        licence="CC-BY-NC-4.0",
        source="MAE, ViT-B/16 (He et al. 2022), github.com/facebookresearch/mae",
        network=partial(vit, "vit_base_patch16_224"),
        under="model",
        ignore=MAE_FAMILY,
    )
    source = weights.source


class DINOv2(Frozen):
    """Self-distillation on 142 million curated images; the class token after the final norm.

    Its positions were learned for 37 x 37 patches (518 pixels) and are resized as upstream does for this checkpoint: without
    antialiasing, and by a factor 0.1 patches larger than the grid asks for. Other ways move them by a tenth of their spread.
    """

    name = "dinov2"
    dim = 384
    Config = Patches14
    weights = Weights(
        name="dinov2",
        file="dinov2_vits14_pretrain.pth",
        origin=Urls(("https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",)),
        checksum="sha256:b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        megabytes=88,
        licence="Apache-2.0",
        source="DINOv2, ViT-S/14 (Oquab et al. 2023), github.com/facebookresearch/dinov2",
        network=partial(vit, "vit_small_patch14_dinov2"),
        ignore=("mask_token",),
        position_offset=0.1,
    )
    source = weights.source


class DINOv3(Frozen):
    """Self-distillation on 1.7 billion images; the class token after the final norm, as upstream (timm would average).

    Rotary positions: nothing is resized. Four register tokens are dropped from the patch features.
    """

    name = "dinov3"
    dim = 384
    Config = Patches16
    weights = Weights(
        name="dinov3",
        file="model.safetensors",
        origin=Urls(("https://huggingface.co/timm/vit_small_patch16_dinov3.lvd1689m/resolve/main/model.safetensors",)),
        megabytes=86,
        licence="DINOv3 License",
        source="DINOv3, ViT-S/16 (Siméoni et al. 2025), huggingface.co/timm/vit_small_patch16_dinov3.lvd1689m",
        network=partial(vit, "vit_small_patch16_dinov3", global_pool="token"),
    )
    source = weights.source


class SigLIP2(Frozen):
    """Sigmoid contrast of images and captions, with captioning and self-distillation; its own attention pooling."""

    name = "siglip2"
    Config = Patches16
    mean = std = (0.5, 0.5, 0.5)
    weights = Weights(
        name="siglip2",
        file="model.safetensors",
        origin=Urls(("https://huggingface.co/timm/vit_base_patch16_siglip_224.v2_webli/resolve/main/model.safetensors",)),
        megabytes=372,
        licence="Apache-2.0",
        source="SigLIP 2, ViT-B/16 (Tschannen et al. 2025), huggingface.co/timm/vit_base_patch16_siglip_224.v2_webli",
        network=partial(vit, "vit_base_patch16_siglip_224"),
    )
    source = weights.source


class Theia(Frozen):
    """Distilled from CLIP, DINOv2 and a supervised ViT for robots; the mean of its patch tokens.

    Only patch tokens were trained to mean something: the class token is dropped, as upstream. Norms have the epsilon 1e-12 of
    transformers, and act before the average (timm's own average pooling would put the norm after it).
    """

    name = "theia"
    Config = Patches16
    weights = Weights(
        name="theia",
        file="model.safetensors",
        origin=Urls(("https://huggingface.co/theaiinstitute/theia-base-patch16-224-cdiv/resolve/main/model.safetensors",)),
        licence="The AI Institute, non-commercial",
        source="Theia-B, CDiV (Shang et al. 2024), huggingface.co/theaiinstitute/theia-base-patch16-224-cdiv",
        network=partial(
            vit, "vit_base_patch16_224", global_pool="avg", fc_norm=False, norm_layer=partial(nn.LayerNorm, eps=1e-12)
        ),
        prefix="backbone.model.",
        ignore=("translator.",),
        rename=from_transformers,
    )
    source = weights.source
