"""One optimiser step, as the device does it best: operation by operation, or replayed as one graph (`captured`)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from benchmark.contracts.training import ParameterGroup
from benchmark.core.collective import average_, piece
from benchmark.core.errors import BenchmarkError
from benchmark.models.precision import autocast, products
from benchmark.training.sharding import Shards


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
    """Forward, backward, clipping and the optimiser, launched from here. Nothing in it waits for the device.

    The generator that a loss draws from is seeded anew in every step, so that the step alone decides what is drawn. A batch may
    be computed in pieces whose gradients add up to that of their mean.
    """

    trainable: Trainable
    groups: list[ParameterGroup]
    optimizer: torch.optim.Optimizer
    clip: float | None
    device: str
    precision: str
    pieces: int = 1
    shards: Shards | None = None
    compiled: bool = False  # the loss and its gradient, by torch.compile; dropout draws other numbers then

    def __post_init__(self) -> None:
        self.rng = torch.Generator(self.device)
        if self.compiled:
            torch.compiler.reset()  # what this process has compiled before would be taken for more general shapes and numbers
            self._compiled = torch.compile(self.trainable.loss)
        self._owners = self.shards if self.shards is not None and self.shards.gradients else None  # of gradients

    def __call__(self, batch: Any, seed: int) -> dict[str, Tensor]:
        self._seed = seed
        self.rng.manual_seed(seed)
        return self.compute(batch)

    def compute(self, batch: Any) -> dict[str, Tensor]:
        with products(self.precision):
            return self._compute(batch)

    def _compute(self, batch: Any) -> dict[str, Tensor]:
        for group in self.groups:
            for parameter in group.params:
                parameter.grad = None
        if self._owners is not None:
            with self._owners.divided_gradients():
                values = self.backward(batch)
        else:
            values = self.backward(batch)
            average_([p.grad for group in self.groups for p in group.params if p.grad is not None])
        norms = {f"grad_norm/{group.name}": self.clipped(group.params) for group in self.groups}
        self.optimizer.step()
        if self.shards is not None:
            self.shards.spread()
        return {**mean_of(values), **norms}

    def backward(self, batch: Any) -> list[dict[str, Tensor]]:
        """What each piece of the batch logs; gradients add up."""
        values = []
        for index, part in enumerate(divided(batch, self.pieces)):
            if index > 0:
                self.rng.manual_seed(self._seed)  # every piece draws for the whole batch
            with piece(index, self.pieces), autocast(self.device, self.precision):
                loss, logs = _pair((self._compiled if self.compiled else self.trainable.loss)(part, self.rng), self.trainable)
            (loss / self.pieces).backward()
            values.append({"loss": loss.detach(), **logs})
        return values

    def clipped(self, params: list[nn.Parameter]) -> Tensor:
        """The norm of the gradients, which are scaled down to the limit if there is one."""
        if self._owners is not None:
            norm = self._owners.norm(params)
        else:
            norm = nn.utils.get_total_norm([p.grad for p in params if p.grad is not None])
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(params, self.clip, norm)
        return norm


def _pair(answer: Any, trainable: Trainable) -> tuple[Tensor, dict[str, Tensor]]:
    """What a loss answered, if it is what the contract says."""
    match answer:
        case (Tensor(ndim=0), dict()):
            return answer
    raise BenchmarkError(
        f"{type(trainable).__name__}.loss gave {_described(answer)}, promised is (loss, terms): a scalar tensor and a dict of "
        "detached ones to log, which may be empty, as in `return loss, {}`"
    )


def _described(answer: Any) -> str:
    if isinstance(answer, Tensor):
        return f"a tensor of shape {tuple(answer.shape)}"
    return f"({', '.join(map(_described, answer))})" if isinstance(answer, tuple) else f"a {type(answer).__name__}"


def mean_of(values: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """What the pieces of a batch have logged."""
    if len(values) == 1:
        return values[0]
    return {name: torch.stack([value[name] for value in values]).mean(0) for name in values[0]}


def divided(batch: Any, pieces: int) -> list[Any]:
    """Equal pieces of a batch of tensors, in their order."""
    if pieces == 1:
        return [batch]
    names = [field.name for field in fields(batch) if isinstance(getattr(batch, field.name), Tensor)]
    cut = {name: getattr(batch, name).chunk(pieces) for name in names}
    return [replace(batch, **{name: parts[index] for name, parts in cut.items()}) for index in range(pieces)]
