"""Optimisers over parameter groups, and the learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.training.lars import LARS


def make_optimizer(groups: list[ParameterGroup], config: TrainingConfig) -> torch.optim.Optimizer:
    """One optimiser over all groups. Vectors (biases, norms) are not decayed, as in BYOL, MAE and VQ-BeT; nor does LARS scale
    their steps by a trust ratio (BYOL, MoCo-v3, VICReg)."""
    param_groups = []
    for group in groups:
        for decay in (True, False):
            params = [p for p in group.params if (p.ndim > 1) == decay]
            if params:
                weight_decay = config.weight_decay if decay else 0.0
                param_groups.append({"params": params, "weight_decay": weight_decay, "trusted": decay, "group": group.name})
    fused = True  # one pass over a parameter instead of ten; the numbers differ in rounding
    match config.optimizer:
        case "adamw":
            return torch.optim.AdamW(param_groups, lr=config.lr, betas=(config.betas[0], config.betas[1]), fused=fused)
        case "adam":
            return torch.optim.Adam(param_groups, lr=config.lr, betas=(config.betas[0], config.betas[1]), fused=fused)
        case "sgd":
            return torch.optim.SGD(param_groups, lr=config.lr, momentum=config.momentum, fused=fused)
        case "lars":
            return LARS(param_groups, lr=config.lr, momentum=config.momentum)
    raise AssertionError(config.optimizer)


def set_learning_rates(
    optimizer: torch.optim.Optimizer,
    groups: Iterable[ParameterGroup],
    config: TrainingConfig,
    step: int,
    steps: int,
) -> float:
    """Set the rates of a step; returns the one that curves show, of the first group."""
    by_name = {g.name: g for g in groups}
    factor = schedule(config.schedule, config.warmup, step, steps)
    rates = []
    for param_group in optimizer.param_groups:
        group = by_name[param_group["group"]]
        rates.append(config.lr * group.lr_scale * (factor if group.scheduled else 1.0))
        if isinstance(param_group["lr"], Tensor):
            param_group["lr"].fill_(rates[-1])
        else:
            param_group["lr"] = rates[-1]
    return rates[0]


def tensor_rates(optimizer: torch.optim.Optimizer, device: str) -> None:
    """Learning rates on the device, where a graph reads them; as numbers they would be those of the captured step for good."""
    for param_group in optimizer.param_groups:
        param_group["lr"] = torch.tensor(float(param_group["lr"]), device=device)


def schedule(kind: str, warmup: float, step: int, steps: int) -> float:
    """Linear warm-up that starts above zero, then constant or half a cosine down to zero."""
    warm = round(warmup * steps)
    if step < warm:
        return (step + 1) / warm
    if kind == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
