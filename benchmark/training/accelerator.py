"""One optimiser step, as the device does it best: operation by operation, or replayed as one graph (`captured`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from benchmark.contracts.training import ParameterGroup
from benchmark.models.precision import autocast


class Trainable(Protocol):
    """What training needs of a method or policy."""

    def loss(self, batch: Any, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]: ...
    def groups(self) -> list[ParameterGroup]: ...
    def after_step(self, step: int, steps: int) -> None: ...


class Step(Protocol):
    def __call__(self, batch: Any, seed: int) -> dict[str, Tensor]:
        """One step of the optimiser on a batch. Returns the loss, what the method logs and the gradient norms, all of them
        valid until the next call; reading one waits for the device."""


@dataclass
class EagerStep:
    """Forward, backward, clipping and the optimiser, launched one operation after another. Nothing in it waits for the device.

    The generator that a loss draws from is seeded anew in every step, so that the step alone decides what is drawn.
    """

    trainable: Trainable
    groups: list[ParameterGroup]
    optimizer: torch.optim.Optimizer
    clip: float | None
    device: str
    precision: str

    def __post_init__(self) -> None:
        self.rng = torch.Generator(self.device)

    def __call__(self, batch: Any, seed: int) -> dict[str, Tensor]:
        self.rng.manual_seed(seed)
        return self.compute(batch)

    def compute(self, batch: Any) -> dict[str, Tensor]:
        with autocast(self.device, self.precision):
            loss, logs = self.trainable.loss(batch, self.rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norms = {f"grad_norm/{group.name}": _clip(group.params, self.clip) for group in self.groups}
        self.optimizer.step()
        return {"loss": loss.detach(), **logs, **norms}


def _clip(params: list[nn.Parameter], limit: float | None) -> Tensor:
    """The norm of the gradients, which are scaled down to the limit if there is one."""
    if limit is None:
        return nn.utils.get_total_norm([p.grad for p in params if p.grad is not None])
    return nn.utils.clip_grad_norm_(params, limit)
