"""A ResNet over an observation and its goal, stacked over channels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.models.images import ImageEncoder
from benchmark.models.precision import at_least_float32

LAYERS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}  # blocks of a stage (He et al. 2016)
GROUPS = 4  # of channels, that are normalised together
HALF = (0.5, 0.5, 0.5)  # mean and deviation: pixels from -1 to 1


class StackedResNet(ImageEncoder):
    """Three channels of the observation, three of the goal, two of coordinates, all from -1 to 1; group norms, SiLU.

    After github.com/rail-berkeley/bridge_data_v2, jaxrl_m/vision/resnet_v1.py. resnet34 at width 64 has 21 300 352 parameters.
    An observation that is told no goal is its own.
    """

    takes_goal = True

    def __init__(self, layers: Sequence[int], width: int):
        from timm.layers import GroupNorm  # not above: whoever names another row has no use for a second of imports
        from timm.models.resnet import BasicBlock, ResNet

        super().__init__(mean=HALF, std=HALF)
        block: Any = BasicBlock  # timm's annotation asks for one of them, and it calls the class
        network: Any = ResNet(
            block,
            tuple(layers),
            num_classes=0,
            in_chans=8,
            stem_width=width,
            channels=tuple(width * 2**stage for stage in range(4)),
            norm_layer=partial(GroupNorm, num_groups=GROUPS),
            act_layer=nn.SiLU,
            zero_init_last=False,
        )
        self.network = network.to(memory_format=torch.channels_last)
        self.dim = self.patch_dim = 8 * width

    def pooled(self, images: Tensor) -> Tensor:
        return self.features(images, ("pooled",))["pooled"]

    def patch(self, images: Tensor) -> Tensor:
        return self.features(images, ("patch",))["patch"]

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        return self.towards(images, self.read_goal(images), names)

    def read_goal(self, goal: Tensor) -> Tensor:
        return self.prepare(goal)

    def towards(self, images: Tensor, told: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        seen = self.prepare(images)
        places = [torch.linspace(-1, 1, side, device=seen.device, dtype=seen.dtype) for side in seen.shape[-2:]]
        where = torch.stack(torch.meshgrid(*places, indexing="ij")).expand(len(seen), -1, -1, -1)
        stacked = torch.cat([seen, told, where], dim=1).contiguous(memory_format=torch.channels_last)
        grid = at_least_float32(self.network.forward_features(stacked))
        given = {"pooled": grid.mean((2, 3)), "patch": grid.flatten(2).transpose(1, 2)}
        return {name: given[name] for name in names}
