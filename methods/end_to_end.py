"""No pretraining: the encoder learns from nothing but the policy's own loss on the demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.models.encoders import WIDTHS, build_backbone


@dataclass
class Config(MethodConfig):
    tuned: bool = True
    tuned_lr: float = 1.0


class EndToEnd(Method):
    """The baseline to ask for first: a ResNet-18 that the policy trains, from random weights or from ImageNet's."""

    name = "end_to_end"
    Config = Config
    learns = False  # before the policy does
    source = "behaviour cloning from pixels; not in the paper"
    presets = {preset: {"width": width} for preset, width in WIDTHS.items()}
    variants = {"imagenet_init": {"init": "imagenet", "width": 64, "tuned_lr": 0.1}}

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)
