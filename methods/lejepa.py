"""LeJEPA: views agree, and their distribution is an isotropic Gaussian; no teacher, no stop-gradient. And over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.specs import require, require_sizes
from benchmark.data.augment import Recipe
from benchmark.methods._shared.two_view import QUICK, SMOKE, STANDARD, TwoViewConfig, TwoViewMethod, paper
from benchmark.models.collapse import spread
from benchmark.models.precision import at_least_float32
from benchmark.models.sigreg import sigreg


@dataclass
class LeJEPAConfig(TwoViewConfig):
    hidden: int = 2048  # heads and weights: github.com/rbalestr-lab/lejepa, MINIMAL.md
    out: int = 16
    weight: float = 0.02  # of the regulariser, against 1 - weight of the agreement
    slices: int = 256  # random directions per step

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.weight <= 1, f"weight lies between 0 and 1, not {self.weight}")
        require_sizes(self, "slices")


@dataclass
class LeJEPATConfig(LeJEPAConfig):
    offset: int = 1


# MINIMAL.md, but for the number of views (two instead of four, so that the row costs what the other two-view rows do) and the
# epochs: 200, as BYOL and MoCo-v3 have in the DynaMo paper. One epoch of warm-up.
PAPER = paper(lr=2e-3, weight_decay=5e-2, batch_size=256, epochs=200, warmup=0.005)


class LeJEPA(TwoViewMethod):
    name = "lejepa"
    Config = LeJEPAConfig
    source = "LeJEPA (Balestriero and LeCun 2025)"
    presets = {
        "smoke": SMOKE | {"slices": 16},
        "quick": QUICK | {"out": 16},
        "standard": STANDARD | {"out": 16},
        **PAPER,
    }
    variants = {**TwoViewMethod.variants, "no_regulariser": {"weight": 0.0}}

    def __init__(self, config: LeJEPAConfig, data: DataSpec):
        from lightly.models.modules.heads import LeJEPAProjectionHead

        super().__init__(config, data)
        self.projector = LeJEPAProjectionHead(self.encoder.dim, config.hidden, config.out, num_layers=3)

    def recipes(self) -> tuple[Recipe, Recipe]:
        flip = 0.5 if self.config.flip else 0.0
        recipe = Recipe(self.config.crop, flip, jitter=(0.8, 0.8, 0.8, 0.2), grayscale=0.2, blur=0.5, solarise=0.2)
        return recipe, recipe

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        projected = torch.stack([at_least_float32(self.projector(self.encoder(view))) for view in self.views(batch, rng)])
        agreement = (projected - projected.mean(0)).square().mean()
        regulariser = sigreg(projected, self.config.slices, rng)
        weight = self.config.weight
        loss = weight * regulariser + (1 - weight) * agreement
        logs = {"agreement": agreement.detach(), "sigreg": regulariser.detach(), "spread": spread(projected[0])}
        return loss, logs

    def trivial_loss(self) -> float | None:
        """Every projection at the origin: nothing to disagree about, as far from a Gaussian as a batch can be."""
        batch = torch.zeros(self.config.batch_size * len(self.data.views), self.config.out)
        return self.config.weight * float(sigreg(batch, 1, torch.Generator())) or None


class LeJEPAT(LeJEPA):
    """Adjacent frames as the two views, as BYOL-T is to BYOL."""

    name = "lejepa_t"
    Config = LeJEPATConfig
    source = "LeJEPA (Balestriero and LeCun 2025) on adjacent frames"
