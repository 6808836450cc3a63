"""RT-1's image tokenizer as a row: a FiLM-conditioned EfficientNet that learns with the policy. RT-1 is this under `rt1`.

The goal reaches the network before its last layers, through FiLM in every block; RT-1's authors call that essential, and
freezing the network harmful (pretrained_efficientnet_encoder.py). Theirs starts from ImageNet: no package here serves those
weights, so this one starts from nothing unless `weights` names a file of timm's `tf_efficientnet_b3`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import require
from benchmark.models.film_efficientnet import FilmEfficientNet
from benchmark.models.hub import tensors_of
from benchmark.models.timm_encoder import Network, fill


@dataclass
class FilmEfficientNetConfig(MethodConfig):
    backbones: ClassVar[tuple[str, ...]] = ("tf_efficientnet_b3", "tf_efficientnet_b0", "test_efficientnet")
    backbone: str = "tf_efficientnet_b3"
    size: int | None = 300  # pixels that frames are resized to; None: as they are
    width: int = 512  # of a token
    tokens: int = 8
    told: int = 512  # numbers that FiLM is told: those of the Universal Sentence Encoder
    drop_path: float = 0.2
    weights: str = ""  # a file of the backbone's weights

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.init == "scratch", "init=imagenet is a ResNet-18: name a file with weights instead")
        require(self.width <= self.told, f"told={self.told} is too little for a goal image's mean token of width={self.width}")


# timm's smallest EfficientNet: five blocks, 99 196 parameters
SMALL = {"backbone": "test_efficientnet", "size": None, "drop_path": 0.0}


class FilmEfficientNetRow(Method):
    name = "film_efficientnet"
    Config = FilmEfficientNetConfig
    joint = True
    learns = False  # before the policy does
    goals = ("none", "last", "future", "task", "language")
    standardised = False  # untrained batch norms pass on what dies out in so many blocks: divided by that, a loss starts at 228
    source = "RT-1 (Brohan et al. 2022); github.com/google-research/robotics_transformer"
    presets = {
        "smoke": SMALL | {"width": 16, "told": 32, "tokens": 4},
        "quick": SMALL | {"width": 128},
        "standard": SMALL | {"width": 128},
        "paper": {},
    }

    def __init__(self, config: FilmEfficientNetConfig, data: DataSpec):
        super().__init__(config, data)
        if config.weights:
            encoder: Any = self.encoder
            fill(encoder.network, Network(config.backbone), config.size, tensors_of(Path(config.weights)))

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return FilmEfficientNet(
            config.backbone,
            config.size,
            told=config.told,
            width=config.width,
            tokens=config.tokens,
            drop_path=config.drop_path,
        )

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        return {"weights": Path(config.weights)} if config.weights else {}

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        missing = config.weights and not Path(config.weights).is_file()
        return f"method.{cls.name}.weights={config.weights} is no file" if missing else None

    @classmethod
    def joint_rate(cls, config: Any) -> float:
        """All learns at one rate, the network from ImageNet too (configs/transformer_mixin.gin)."""
        return 1.0
