"""RT-1's image tokenizer: an EfficientNet whose every block is followed by FiLM, and eight tokens of its last map.

After github.com/google-research/robotics_transformer (film_efficientnet/, tokenizers/image_tokenizer.py). What is told is a
vector of `told` numbers; one of fewer is filled up with zeros, which is the same as a FiLM of as many. A goal that is an image
is told as the mean of its own tokens, by the same network without FiLM, so images as goals need no parameter that language does
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.errors import BenchmarkError
from benchmark.models.film import FiLM, TokenLearner
from benchmark.models.images import ImageEncoder
from benchmark.models.precision import at_least_float32
from benchmark.models.timm_encoder import Network


class FilmEfficientNet(ImageEncoder):
    """`pooled` is the tokens one after the other, `patch` the map that they are averages of.

    With tf_efficientnet_b3, 512 numbers told and 8 tokens of width 512 it has 15 744 160 parameters: 10 696 232 of the body,
    3 701 808 of 26 FiLMs, 786 432 of the 1 x 1 convolution, 525 312 of the FiLM after it (the paper's 16M), 34 376 of the
    TokenLearner.
    """

    takes_goal = True

    def __init__(self, backbone: str, size: int | None, *, told: int, width: int, tokens: int, drop_path: float):
        super().__init__(size)
        network: Any = Network(backbone).create(size, drop_path_rate=drop_path)
        _pad_as_released(network)
        self.network = network.to(memory_format=torch.channels_last)
        channels = [_channels(block) for stage in network.blocks for block in stage]
        self.told, self.tokens, self.patch_dim, self.dim = told, tokens, width, tokens * width
        self.films = nn.ModuleList(FiLM(told, count) for count in channels)
        self.project, self.last_film = nn.Conv2d(network.num_features, width, 1, bias=False), FiLM(told, width)
        self.learner = TokenLearner(width, tokens)

    def pooled(self, images: Tensor) -> Tensor:
        return self.features(images, ("pooled",))["pooled"]

    def patch(self, images: Tensor) -> Tensor:
        return self.features(images, ("patch",))["patch"]

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        return self._features(images, None, names)

    def read_goal(self, goal: Tensor) -> Tensor:
        numbers = goal if goal.ndim == 2 else self.pooled(goal).unflatten(1, (self.tokens, -1)).mean(1)
        if numbers.shape[1] > self.told:
            wide = numbers.shape[1]
            raise BenchmarkError(f"a goal of {wide} numbers is told to FiLMs of {self.told}. Fix it with: told={wide}")
        return F.pad(numbers, (0, self.told - numbers.shape[1]))

    def towards(self, images: Tensor, told: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        return self._features(images, told, names)

    def _features(self, images: Tensor, told: Tensor | None, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        net = self.network
        x = net.bn1(net.conv_stem(self.prepare(images)))
        films = iter(self.films)
        for stage in net.blocks:
            for block in stage:
                x = _told(next(films), block(x), told)
        x = _told(self.last_film, self.project(net.bn2(net.conv_head(x))), told)
        patch = at_least_float32(x.flatten(2).transpose(1, 2))
        return {name: patch if name == "patch" else self.learner(patch).flatten(1) for name in names}


def _told(film: nn.Module, x: Tensor, told: Tensor | None) -> Tensor:
    return x if told is None else film(x, told)


def _channels(block: nn.Module) -> int:
    """That a block of timm's gives: those of its last convolution."""
    return [module for module in block.modules() if isinstance(module, nn.Conv2d)][-1].out_channels


def _pad_as_released(network: nn.Module) -> None:
    """In place, of networks whose strided convolutions pad as TensorFlow's, one side more than the other.

    Keras, which does not know the size when the network is built, pads as if each side were even: an image of 300 pixels
    becomes 9 places a side, the 81 of the paper, where TensorFlow's own rule and PyTorch's symmetric padding give 10.
    """
    from timm.layers import Conv2dSame

    for name, conv in list(network.named_modules()):
        if isinstance(conv, Conv2dSame):
            side = conv.kernel_size[0] // 2
            network.set_submodule(name, _Padded(conv, (side - 1, side, side - 1, side)))


class _Padded(nn.Conv2d):
    """A convolution of timm's with a padding of its own, and its weights under the same names."""

    def __init__(self, conv: nn.Conv2d, amounts: tuple[int, int, int, int]):
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        super().__init__(conv.in_channels, conv.out_channels, kernel, stride, groups=conv.groups, bias=conv.bias is not None)
        self.amounts, self.weight, self.bias = amounts, conv.weight, conv.bias

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.amounts))
