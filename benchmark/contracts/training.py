"""What every module that is trained says about how: its optimiser, its schedule and its parameter groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.contracts.specs import require, require_sizes

if TYPE_CHECKING:
    from torch import nn

OPTIMIZERS = ("adamw", "adam", "sgd", "lars")
SCHEDULES = ("cosine", "constant")


@dataclass
class TrainingConfig:
    """Fields that methods and policies have in common. Each sets its own defaults."""

    optimizer: str = "adamw"  # adamw | adam | sgd | lars
    lr: float = 1e-4
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9  # sgd and lars
    batch_size: int = 64  # samples per step
    epochs: float = 1  # the literature's; taken when the budget of the stage gives none
    warmup: float = 0.0  # fraction of the run spent in linear warm-up
    schedule: str = "constant"  # cosine | constant, after the warm-up
    clip: float | None = None  # gradient norm, per parameter group

    def __post_init__(self) -> None:
        require(self.optimizer in OPTIMIZERS, f"optimizer '{self.optimizer}' is none of {', '.join(OPTIMIZERS)}")
        require(self.schedule in SCHEDULES, f"schedule '{self.schedule}' is none of {', '.join(SCHEDULES)}")
        require(self.lr > 0, f"lr must be positive, not {self.lr}")
        require_sizes(self, "batch_size")
        require(self.weight_decay >= 0, f"weight_decay must not be negative, but is {self.weight_decay}")
        require(all(0 <= beta < 1 for beta in self.betas), f"betas are fractions below 1, not {tuple(self.betas)}")
        require(0 <= self.momentum < 1, f"momentum is a fraction below 1, not {self.momentum}")
        require(self.epochs > 0, f"epochs must be positive, not {self.epochs}")
        require(0 <= self.warmup < 1, f"warmup is a fraction of the run below 1, not {self.warmup}")
        require(self.clip is None or self.clip > 0, f"clip must be positive or null, not {self.clip}")


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a learning rate and are clipped together."""

    name: str
    params: list[nn.Parameter]
    lr_scale: float = 1.0
    scheduled: bool = True  # False: constant learning rate, whatever the schedule
