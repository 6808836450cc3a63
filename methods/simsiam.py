"""SimSiam: what stop-gradient alone buys, without momentum encoder or negatives; and over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.specs import require_sizes
from benchmark.contracts.training import ParameterGroup
from benchmark.data.augment import Recipe, simsiam
from benchmark.methods._shared.two_view import QUICK, SMOKE, STANDARD, TwoViewConfig, TwoViewMethod, paper
from benchmark.models.collapse import spread
from benchmark.models.losses import cosine_distance


@dataclass
class SimSiamConfig(TwoViewConfig):
    crop: float = 0.2  # SimSiam, section 3
    hidden: int = 2048
    out: int = 2048
    bottleneck: int = 512  # hidden layer of the predictor
    stop_gradient: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "bottleneck")


@dataclass
class SimSiamTConfig(SimSiamConfig):
    offset: int = 1


# SimSiam, section 3: SGD at 0.05 x batch / 256, batch 512, 100 epochs on 1.3 million images. Demonstrations have far fewer
# frames: 200 epochs, as BYOL and MoCo-v3 have in the DynaMo paper. No warm-up at that batch, the paper says.
PAPER = paper(optimizer="sgd", lr=0.1, weight_decay=1e-4, batch_size=512, epochs=200, warmup=0.0)


class SimSiam(TwoViewMethod):
    """Half the sum over both directions of -cos(predictor(z1), stop(z2)), shifted by 1 to be zero at best."""

    name = "simsiam"
    Config = SimSiamConfig
    source = "SimSiam (Chen and He 2021)"
    presets = {
        "smoke": SMOKE | {"bottleneck": 8},
        "quick": QUICK | {"bottleneck": 16},
        "standard": STANDARD | {"bottleneck": 32},
        **PAPER,
    }
    zero_residuals = True  # github.com/facebookresearch/simsiam, simsiam/builder.py
    variants = {**TwoViewMethod.variants, "no_stop_gradient": {"stop_gradient": False}}

    def __init__(self, config: SimSiamConfig, data: DataSpec):
        from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead

        super().__init__(config, data)
        self.projector = SimSiamProjectionHead(self.encoder.dim, config.hidden, config.out)
        self.predictor = SimSiamPredictionHead(config.out, config.bottleneck, config.out)

    def recipes(self) -> tuple[Recipe, Recipe]:
        recipe = simsiam(self.config.crop, self.config.flip)
        return recipe, recipe

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        first, second = (self.projector(self.encoder(view)) for view in self.views(batch, rng))
        targets = (first.detach(), second.detach()) if self.config.stop_gradient else (first, second)
        forward = cosine_distance(self.predictor(first), targets[1])
        backward = cosine_distance(self.predictor(second), targets[0])
        return (forward + backward) / 2, {"spread": spread(first)}

    def groups(self) -> list[ParameterGroup]:
        """The predictor keeps its learning rate: it should adapt to the latest representations (SimSiam, section 4.2)."""
        trained = [*self.encoder.parameters(), *self.projector.parameters()]
        return [
            ParameterGroup("encoder", trained),
            ParameterGroup("predictor", list(self.predictor.parameters()), scheduled=False),
        ]


class SimSiamT(SimSiam):
    """Adjacent frames as the two views, as BYOL-T is to BYOL: separates the temporal positive from the loss."""

    name = "simsiam_t"
    Config = SimSiamTConfig
    source = "SimSiam (Chen and He 2021) on adjacent frames"
