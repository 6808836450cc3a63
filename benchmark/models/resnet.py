"""ResNet-18 (He et al. 2016) without its classifier, at any width."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

STAGES = ("layer1", "layer2", "layer3", "layer4")


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: torchvision's block and parameter names. Written out because importing it takes
    two seconds, for its detectors and torch's compiler."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        x += shortcut
        return self.relu(x)


class ResNet18(nn.Module):
    """torchvision's network, parameter names and random initialisation; `width` channels in the first stage instead of 64.

    With `zero_residuals` the gain of the last norm of every block starts at 0, so that each block is its shortcut (Goyal et al.
    2017): torchvision's `zero_init_residual` and timm's default. DynaMo, BYOL and the random row of the paper start without it.
    Width 64 has 11 176 512 parameters.
    """

    def __init__(self, width: int = 64, zero_residuals: bool = False):
        super().__init__()
        self.dim, self.zero_residuals = 8 * width, zero_residuals
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock) and zero_residuals:
                nn.init.zeros_(module.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, dim, H/32, W/32), the map before pooling."""
        return self.maps(x, ("layer4",))["layer4"]

    def maps(self, x: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """What the named stages make of (N, 3, H, W): layer1 is a quarter as high and wide, each later one half of the last."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = {}
        for name in STAGES:
            if name == "layer4" and x.shape[-2:] == (1, 1):
                # On processors with AMX the bf16 weight gradient of a strided 3 x 3 convolution of one pixel is uninitialised
                # memory (torch 2.15, oneDNN; any width and batch): frames of 16 pixels get there.
                with torch.autocast(x.device.type, enabled=False):
                    x = self.layer4(x.float())
            else:
                x = getattr(self, name)(x)
            if name in names:
                maps[name] = x
        return maps


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Two basic blocks, the first with a projected shortcut where the shape changes."""
    shortcut = None
    if stride > 1:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(BasicBlock(inputs, outputs, stride, shortcut), BasicBlock(outputs, outputs))
