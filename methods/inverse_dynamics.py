"""Inverse dynamics alone (Brandfonbrener et al. 2023): which action lies between two frames?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.contracts.specs import require_sizes
from benchmark.models.collapse import spread
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.precision import at_least_float32
from benchmark.models.units import in_deviations


@dataclass
class InverseDynamicsConfig(MethodConfig):
    hidden: int = 256  # of the head's two hidden layers; our choice, wide enough for any action

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "hidden")


class InverseDynamics(Method):
    """Regress the true action from the features of the frames before and after it, all cameras together.

    Nothing else: no latent, no forward model, no covariance penalty. With the penalty, and DynaMo's inverse model over a longer
    window, it is the variant `actions_only` of `dynamo` (Table 7 of its paper).
    """

    name = "inverse_dynamics"
    Config = InverseDynamicsConfig
    source = "inverse dynamics pretraining (Brandfonbrener et al. 2023, arXiv 2305.16985)"
    presets = {
        "smoke": {"width": WIDTHS["smoke"], "hidden": 32, "batch_size": 16, "lr": 1e-3},
        "quick": {"width": WIDTHS["quick"], "batch_size": 32, "lr": 1e-3, "weight_decay": 1e-4},
        "standard": {"width": WIDTHS["standard"], "batch_size": 32, "lr": 1e-3, "weight_decay": 1e-4},
        # Learning rate and batch are published. As many passes over the frames as BYOL's 200 epochs: our choice.
        "paper": {"lr": 1e-3, "batch_size": 256, "epochs": 100},
    }

    def __init__(self, config: InverseDynamicsConfig, data: DataSpec):
        super().__init__(config, data)
        inputs, hidden = 2 * len(data.views) * self.encoder.dim, config.hidden
        self.head = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, data.action_dim)
        )

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=2, actions=True)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """In units of each action's standard deviation over the batch."""
        features = self.encoder(batch.frames.flatten(0, 2))
        predicted = self.head(features.view(len(batch.frames), -1))
        return F.mse_loss(at_least_float32(predicted), in_deviations(batch.actions[:, 0])), {"spread": spread(features)}

    def trivial_loss(self) -> float:
        """The mean action for every pair of frames; an action that never varies costs less still."""
        return 1.0
