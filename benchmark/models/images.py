"""What encoders of images share: preprocessing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder, as_float
from benchmark.contracts.specs import FARTHEST, all_with_depth
from benchmark.core.errors import BenchmarkError
from benchmark.core.names import component_of

RGB = 3
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageEncoder(Encoder):
    """Preprocessing shared by encoders of images: [0, 1] floats, an optional resize, channel normalisation.

    `size` is for networks tied to one resolution: frames of another are resized with antialiasing. Without it frames keep the
    size they come in. A subclass that takes a trunk names it in `trunk_name`.
    """

    trunk_name: str | None = None
    mean: Tensor
    std: Tensor

    def __init__(self, size: int | None = None, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD):
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def resized(self, images: Tensor) -> Tensor:
        """Raw frames -> floats of the size that the trunk is tied to."""
        images = as_float(images)
        if self.size is None or images.shape[-2:] == (self.size, self.size):
            return images
        return F.interpolate(images, (self.size, self.size), mode="bicubic", antialias=True)

    @property
    def description(self) -> str:
        size = "frames as they are" if self.size is None else f"frames at {self.size} px"
        mean, std = (tuple(round(value, 3) for value in buffer.flatten().tolist()) for buffer in (self.mean, self.std))
        usual = (mean, std) == (IMAGENET_MEAN, IMAGENET_STD)
        normalised = "ImageNet's normalisation" if usual else f"normalised by mean {_short(mean)}, SD {_short(std)}"
        return f"{self.trunk_name or type(self).__name__}, {size}, {normalised}"

    def prepare(self, images: Tensor) -> Tensor:
        """Raw frames -> the trunk's input, in the memory layout that convolutions are fastest in. Depth stays in metres, as in
        SpawnNet's release, and is a fourth channel."""
        colours = self._normalised(images[:, :RGB])
        if self.with_depth:
            colours = torch.cat([colours, FARTHEST * self.resized(images[:, RGB : RGB + 1])], 1)
        return colours.contiguous(memory_format=torch.channels_last)

    def _normalised(self, images: Tensor) -> Tensor:
        resized = self.resized(images)
        in_place = resized is not images and resized.dtype == self.mean.dtype  # they are ours: what follows need not allocate
        return resized.sub_(self.mean).div_(self.std) if in_place else (resized - self.mean) / self.std


def require_depth(wanted: bool, data: DataSpec) -> None:
    """For encoders that take depth where they are asked to."""
    if wanted and not all_with_depth(data.views):
        fix = f"env.{component_of(data.env)}.depth=true, if it has that"
        raise BenchmarkError(f"depth=true: the views of {data.env} have no depth. Fix it with: {fix}")


def _short(values: tuple[float, ...]) -> str:
    """One number where all channels have the same."""
    return "/".join(f"{value:g}" for value in dict.fromkeys(values))
