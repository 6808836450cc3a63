"""No pretraining: the encoder learns from nothing but the policy's own loss on the demonstrations."""

from __future__ import annotations

from typing import Any

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method
from benchmark.models.encoders import WIDTHS, build_backbone


class EndToEnd(Method):
    """The baseline to ask for first: a ResNet-18 that the policy trains, from random weights or from ImageNet's."""

    name = "end_to_end"
    joint = True
    learns = False  # before the policy does
    source = "behaviour cloning from pixels; not in the paper"
    presets = {preset: {"width": width} for preset, width in WIDTHS.items()}
    variants = {"imagenet_init": {"init": "imagenet", "width": 64}}

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    @classmethod
    def joint_rate(cls, config: Any) -> float:
        """Fine-tuned where it starts from published weights."""
        return 1.0 if config.init == "scratch" else super().joint_rate(config)
