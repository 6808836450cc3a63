"""The convolutional networks of SpawnNet's release (Lin et al. 2023, github.com/johnrso/spawnnet): one that learns by itself,
and one that takes in maps of a frozen network on its way.

Both are IMPALA-like (Espeholt et al. 2018): a 4 x 4 convolution of stride 4, then three stages, each a 3 x 3 convolution, a max
pool that halves the map, and two residual blocks. An image of 224 pixels has maps of 28, 14 and 7. Where there is depth it is a
fourth channel of the first convolution, as in the release.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.images import RGB

STAGES = 3


class Residual(nn.Module):
    """Activation before convolution, twice, beside a shortcut."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


def stem(channels: int, inputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, channels, 4, stride=4)


def halving(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1))


def residuals(channels: int) -> nn.Sequential:
    return nn.Sequential(Residual(channels), Residual(channels))


def side_of_map(size: int) -> int:
    """Of the last map of an image."""
    side = size // 4
    for _ in range(STAGES):
        side = math.ceil(side / 2)
    return side


class Impala(nn.Module):
    """The release's learning from scratch ("LfS"). 128 channels have 2 222 080 parameters with depth, 2 220 032 without."""

    def __init__(self, channels: int = 128, inputs: int = RGB):
        super().__init__()
        self.dim = channels
        self.stem = stem(channels, inputs)
        self.stages = nn.Sequential(*(nn.Sequential(halving(channels), residuals(channels)) for _ in range(STAGES)))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), normalised -> the last map."""
        return self.stages(self.stem(images))

    @staticmethod
    def channels_for(parameters: int, inputs: int = RGB) -> int:
        """With how many channels it has about so many parameters: 15 convolutions of 9 c^2 + c, and a stem."""
        linear = 16 * inputs + 1 + 5 * STAGES
        quadratic = 9 * 5 * STAGES
        return round((-linear + math.sqrt(linear**2 + 4 * quadratic * parameters)) / (2 * quadratic))


class Fusion(nn.Module):
    """Each stage of the learnt stream is joined by one map of a frozen network: through a 1 x 1 convolution and a ReLU (the
    adapter), resized to the stage's grid.

    With width 64 and maps of 3 x 384 (DINO ViT-S), 3 x 768 (MVP ViT-B) or 512 + 1024 + 2048 channels (R3M ResNet-50) it has
    1 976 384, 2 050 112 or 2 132 032 parameters with depth, 1 024 fewer without; of these the adapters have 73 920, 147 648 and
    229 568.
    """

    def __init__(self, width: int, taps: Sequence[int], inputs: int = RGB):
        """`taps`: the channels of the map that joins each stage, the finest stage first."""
        super().__init__()
        self.dim = 2 * width
        self.stem = stem(width, inputs)
        self.adapters = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in taps)
        self.halvings = nn.ModuleList(halving(width) for _ in range(STAGES))
        self.residuals = nn.ModuleList(residuals(2 * width) for _ in range(STAGES))
        self.narrow = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in range(STAGES - 1))  # the last stage stays wide

    def adapted(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What the adapters make of the maps, each at the resolution that it came in."""
        return [F.relu(adapter(x)) for adapter, x in zip(self.adapters, maps, strict=True)]

    def forward(self, images: Tensor, adapted: Sequence[Tensor]) -> Tensor:
        """(N, 3, H, W), normalised, and `adapted(maps)` -> the last map."""
        x = self.stem(images)
        for stage in range(STAGES):
            x = self.halvings[stage](x)
            joined = F.interpolate(adapted[stage], x.shape[-2:], mode="bilinear", align_corners=False)
            x = self.residuals[stage](torch.cat([x, joined], 1))
            if stage < STAGES - 1:
                x = self.narrow[stage](x)
        return x
