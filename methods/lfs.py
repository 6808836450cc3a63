"""Learning from scratch, as SpawnNet is compared with it: an IMPALA-like network that the policy trains (Lin et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import require
from benchmark.models.encoders import WIDTHS
from benchmark.models.images import RGB, ImageEncoder, require_depth
from benchmark.models.impala import STAGES, Fusion, Impala, side_of_map
from benchmark.models.precision import at_least_float32

VIT_S = 384  # channels of a map of the backbone that SpawnNet is published with


@dataclass
class LfSConfig(MethodConfig):
    backbones: ClassVar[tuple[str, ...]] = ("impala",)
    backbone: str = "impala"
    size: int = 224  # pixels; frames of another size are resized to it
    depth: bool = False  # it is shown depth, too
    equal: bool = False  # as many parameters as `spawnnet` of the same width learns beside a ViT-S, as near as channels allow

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size >= 32, f"size must be at least 32 pixels, not {self.size}")

    @property
    def channels(self) -> int:
        """The release's are twice those of SpawnNet's stream, which makes 12 % more parameters."""
        if not self.equal:
            return 2 * self.width
        with torch.device("meta"):
            fused = Fusion(self.width, [VIT_S] * STAGES, self.inputs)
            return Impala.channels_for(sum(p.numel() for p in fused.parameters()), self.inputs)

    @property
    def inputs(self) -> int:
        return RGB + self.depth

    def surely_builds(self) -> bool:
        return not self.depth


class ImpalaEncoder(ImageEncoder):
    """`pooled` is the last map, flattened, as in `spawnnet`; `patch` the same as tokens."""

    def __init__(self, net: Impala, size: int, depth: bool):
        super().__init__(size=size)
        self.with_depth = depth
        self.net = net.to(memory_format=torch.channels_last)
        self.patch_dim = net.dim
        self.dim = net.dim * side_of_map(size) ** 2

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        grid = at_least_float32(self.net(self.prepare(images)))
        given = {"pooled": grid.flatten(1), "patch": grid.flatten(2).transpose(1, 2)}
        return {name: given[name] for name in names}

    def pooled(self, images: Tensor) -> Tensor:
        return self.features(images, ("pooled",))["pooled"]

    def patch(self, images: Tensor) -> Tensor:
        return self.features(images, ("patch",))["patch"]


class LfS(Method):
    """The control of `spawnnet` that has no second network; `spawnnet:zero_backbone` is the one of the same architecture."""

    name = "lfs"
    Config = LfSConfig
    presets = {
        "smoke": {"width": WIDTHS["smoke"], "size": 64},
        "quick": {"width": WIDTHS["quick"], "size": 112},
        **{preset: {"width": WIDTHS[preset]} for preset in ("standard", "paper")},
    }
    variants = {"equal": {"equal": True}}
    joint = True
    learns = False  # before the policy does
    source = "LfS of SpawnNet (Lin et al. 2023), github.com/johnrso/spawnnet"

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        require_depth(config.depth, data)
        return ImpalaEncoder(Impala(config.channels, config.inputs), config.size, config.depth)

    @classmethod
    def joint_rate(cls, config: Any) -> float:
        return 1.0  # from scratch
