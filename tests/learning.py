"""What tests of methods do with a method: build a small one, train it a little, see where gradients arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.method import Method
from benchmark.contracts.presets import component_config
from benchmark.core.seeds import torch_rng
from benchmark.training.optimizers import make_optimizer


def build(cls: type[Method], data: DataSpec, **changes: Any) -> Any:
    """In training mode, of the smoke preset, the same in every test."""
    torch.manual_seed(0)
    return cls(replace(component_config(cls, "smoke", "fake"), **changes), data).train()


def loss_of(method: Method, batch: Windows) -> torch.Tensor:
    """With the same draws at every call."""
    return method.loss(batch, torch_rng("test"))[0]


def descend(method: Method, batch: Windows, steps: int) -> list[dict[str, float]]:
    """Optimise on one batch with the same draws at every step; the loss and what is logged, before each step."""
    optimizer = make_optimizer(method.groups(), method.config)
    curve = []
    for step in range(steps):
        torch.manual_seed(0)
        loss, logs = method.loss(batch, torch_rng("test"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step(step, steps)
        curve.append({"loss": loss.item(), **{name: float(value) for name, value in logs.items()}})
    return curve


def unreached(method: Method, batch: Windows) -> list[str]:
    """Trainable tensors that no gradient reaches, or only zeros, after a step that moves gains away from a start at zero."""
    descend(method, batch, 1)
    method.zero_grad()
    loss_of(method, batch).backward()
    return [n for n, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
