"""Encoders that never learn: the floor that every other row must rise above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.models.encoders import WIDTHS, build_backbone


class Random(Method):
    """A ResNet-18 at its random initialisation, batch norms included.

    A floor worth beating: in the paper it scores 3.32 of 4 on Franka Kitchen, above every pretrained network.
    """

    name = "random"
    learns = False
    floor = True
    source = "DynaMo paper, section 4.2, row Random"
    presets = {preset: {"width": width} for preset, width in WIDTHS.items()}

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)


@dataclass
class ViTConfig(MethodConfig):
    backbone: str = "vit_tiny"


class RandomViT(Random):
    """A vision transformer at its random initialisation: the floor of the rows that use one (MAE, VC-1, MVP)."""

    name = "random_vit"
    Config = ViTConfig
    floor = False  # a table has one: the ResNet, as in the paper
    source = "not in the paper; ViT-B as its ViT rows, ViT-Ti below the paper preset"
    presets = {**Random.presets, "paper": {"backbone": "vit_base"}}
