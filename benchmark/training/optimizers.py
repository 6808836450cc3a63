"""Optimisers over parameter groups, and the learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.training.lars import LARS
from benchmark.training.sharding import Shards


def make_optimizer(groups: list[ParameterGroup], config: TrainingConfig, shards: Shards | None = None) -> torch.optim.Optimizer:
    """One optimiser over all groups, or over what this process has of them. Vectors (biases, norms) are not decayed, as in
    BYOL, MAE and VQ-BeT; nor does LARS scale their steps by a trust ratio (BYOL, MoCo-v3, VICReg)."""
    param_groups = []
    for group, decay, params in _divided(groups):
        weight_decay = config.weight_decay if decay else 0.0
        param_groups.append({"params": params, "weight_decay": weight_decay, "trusted": decay, "group": group.name})
    if shards is not None:
        param_groups = [shards.mine(group) for group in param_groups]
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


def make_shards(groups: list[ParameterGroup], gradients: bool) -> Shards:
    """Of all parameters, in the order in which an optimiser numbers them."""
    return Shards([parameter for _, _, params in _divided(groups) for parameter in params], gradients)


def _divided(groups: list[ParameterGroup]) -> Iterator[tuple[ParameterGroup, bool, list[nn.Parameter]]]:
    """What is decayed of each group, and what is not."""
    for group in groups:
        for decay in (True, False):
            if params := [p for p in group.params if (p.ndim > 1) == decay]:
                yield group, decay, params


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
