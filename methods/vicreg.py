"""VICReg: pull views together, keep every dimension alive and uncorrelated with the others; and over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.specs import require
from benchmark.methods._shared.two_view import QUICK, SMOKE, STANDARD, TwoViewConfig, TwoViewMethod, paper
from benchmark.models.collapse import spread
from benchmark.models.losses import covariance, variance
from benchmark.models.precision import at_least_float32


@dataclass
class VICRegConfig(TwoViewConfig):
    hidden: int = 8192  # VICReg, section 4.2: three layers of 8192
    out: int = 8192
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(min(self.invariance, self.variance, self.covariance) >= 0, "the weights of VICReg's terms must not be negative")


@dataclass
class VICRegTConfig(VICRegConfig):
    offset: int = 1


# VICReg, section 4.2: LARS at 0.2 x batch / 256, decay 1e-6, 10 epochs of warm-up. Its batch of 2048 is cut to that of BYOL in
# the DynaMo paper, as are the epochs: demonstrations have far fewer frames than ImageNet.
PAPER = paper(optimizer="lars", lr=0.4, weight_decay=1e-6, batch_size=512, epochs=200, warmup=0.05)
# As wide as the hidden layer: decorrelation works on a wide expansion (VICReg, section 5 and appendix).
WIDE = {"smoke": SMOKE | {"out": 32}, "quick": QUICK | {"out": 256}, "standard": STANDARD | {"out": 512}}


class VICReg(TwoViewMethod):
    """Its augmentation is BYOL's (VICReg, appendix C.1)."""

    name = "vicreg"
    Config = VICRegConfig
    source = "VICReg (Bardes et al. 2022)"
    presets = {**WIDE, **PAPER}
    zero_residuals = True  # github.com/facebookresearch/vicreg, main_vicreg.py
    variants = {
        **TwoViewMethod.variants,
        "no_variance": {"variance": 0.0},
        "no_covariance": {"covariance": 0.0},
    }

    def __init__(self, config: VICRegConfig, data: DataSpec):
        from lightly.models.modules.heads import VICRegProjectionHead

        super().__init__(config, data)
        self.projector = VICRegProjectionHead(self.encoder.dim, config.hidden, config.out, num_layers=3)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        first, second = (at_least_float32(self.projector(self.encoder(view))) for view in self.views(batch, rng))
        terms = {
            "invariance": F.mse_loss(first, second),
            "variance": (variance(first) + variance(second)) / 2,
            "covariance": covariance(first) + covariance(second),
        }
        loss = sum((getattr(self.config, name) * term for name, term in terms.items()), first.new_zeros(()))
        return loss, {**{name: term.detach() for name, term in terms.items()}, "spread": spread(first)}

    def trivial_loss(self) -> float | None:
        """A constant: no variance to satisfy the hinge, nothing else to pay for."""
        return self.config.variance * float(variance(torch.zeros(2, 1))) or None


class VICRegT(VICReg):
    """Adjacent frames as the two views, as BYOL-T is to BYOL."""

    name = "vicreg_t"
    Config = VICRegTConfig
    source = "VICReg (Bardes et al. 2022) on adjacent frames"
