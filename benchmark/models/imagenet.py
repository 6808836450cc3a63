"""Where a ResNet-18 starts from that does not start from scratch: ImageNet."""

from __future__ import annotations

from benchmark.models.resnet import ResNet18
from benchmark.models.weights import Urls, Weights


def resnet18(size: int) -> ResNet18:
    """Works at any size."""
    return ResNet18()


# torchvision's first ResNet-18, the ImageNet row of the DynaMo paper and what it fine-tunes from in Table 5
RESNET18_IMAGENET = Weights(
    name="imagenet",
    file="resnet18-f37072fd.pth",
    origin=Urls(("https://download.pytorch.org/models/resnet18-f37072fd.pth",)),
    checksum="sha256:f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    megabytes=47,
    licence="BSD-3-Clause",
    source="torchvision ResNet18_Weights.IMAGENET1K_V1; He et al. 2016",
    network=resnet18,
    ignore=("fc.",),
)
