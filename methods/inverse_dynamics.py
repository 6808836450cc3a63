"""Inverse dynamics alone (Brandfonbrener et al. 2023): which action lies between two frames?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts import DataSpec, Diet, Encoder, Method, MethodConfig, Windows, require
from benchmark.nn.collapse import spread
from benchmark.nn.encoders import WIDTHS, build_backbone
from benchmark.nn.losses import standardise
from benchmark.nn.precision import at_least_float32


@dataclass
class InverseDynamicsConfig(MethodConfig):
    hidden: int = 1024  # of the two hidden layers of the head
    action_first: bool = True  # False: shuffled pairs of frames and actions, a control that must learn nothing

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, f"hidden must be at least 1, not {self.hidden}")


class InverseDynamics(Method):
    """Regress the true action from the features of the frames before and after it, all cameras together.

    Nothing else: no latent, no forward model, no covariance penalty. DynaMo with its inverse model taught by the true actions
    (Table 7 of its paper, with the penalty) is the variant `actions_only` of `dynamo`.
    """

    name = "inverse_dynamics"
    Config = InverseDynamicsConfig
    source = "inverse dynamics pretraining (Brandfonbrener et al. 2023)"
