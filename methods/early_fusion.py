"""Early fusion: the observation and its goal are stacked over channels into one ResNet, which learns with the policy.

With the policy `gc_bc` it is the published gc_bc of BridgeData V2. It is a row and not a setting of that policy, because what
is fused can be compared under every head, and because the policy then reads features as under any other row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import require
from benchmark.models.encoders import WIDTHS
from benchmark.models.stacked_resnet import GROUPS, LAYERS, StackedResNet


@dataclass
class EarlyFusionConfig(MethodConfig):
    backbones: ClassVar[tuple[str, ...]] = tuple(LAYERS)
    backbone: str = "resnet34"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.init == "scratch", "no published network has channels for a goal: init=scratch")
        require(self.width % GROUPS == 0, f"width={self.width} is not a multiple of {GROUPS} groups")


class EarlyFusion(Method):
    """Not pretrained: no published weights have channels for a goal."""

    name = "early_fusion"
    Config = EarlyFusionConfig
    joint = True
    learns = False  # before the policy does
    goals = ("last", "future")
    source = "BridgeData V2 (Walke et al. 2023), early_goal_concat of gc_bc"
    presets = {preset: {"width": WIDTHS[preset], "backbone": "resnet18"} for preset in ("smoke", "quick", "standard")}

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return StackedResNet(LAYERS[config.backbone], config.width)

    @classmethod
    def joint_rate(cls, config: Any) -> float:
        return 1.0
