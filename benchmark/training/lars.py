"""LARS (You et al. 2017) without a branch that depends on a tensor, so that no step waits for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

TRUST = 0.001  # coefficient of the trust ratio
EPSILON = 1e-8


class LARS(Optimizer):
    """SGD with momentum in which a matrix moves in proportion to its own norm.

    The arithmetic is that of lightly's LARS, bit for bit on a processor; but which parameters are scaled is said by their group
    (`trusted`), where lightly infers it from the decay, so that a decay of zero would make it plain SGD. Those whose norm or
    gradient is zero are not scaled. The learning rate may be a tensor.
    """

    def __init__(self, params: Any, lr: float, momentum: float):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "trusted": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = _scaled(parameter, group["weight_decay"]) if group["trusted"] else parameter.grad
                if group["momentum"] != 0:
                    update = self._with_momentum(parameter, update, group["momentum"])
                if isinstance(group["lr"], Tensor):
                    parameter.sub_(update * group["lr"])
                else:
                    parameter.add_(update, alpha=-group["lr"])

    def _with_momentum(self, parameter: nn.Parameter, update: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" in state:
            state["momentum_buffer"].mul_(momentum).add_(update)
        else:
            state["momentum_buffer"] = update.clone()
        return state["momentum_buffer"]


def _scaled(parameter: nn.Parameter, weight_decay: float) -> Tensor:
    gradient = parameter.grad
    assert gradient is not None
    norm, gradient_norm = torch.norm(parameter), torch.norm(gradient)
    trust = norm / (gradient_norm + norm * weight_decay + EPSILON) * TRUST
    decayed = gradient.add(parameter, alpha=weight_decay) * trust
    return torch.where((norm != 0) & (gradient_norm != 0), decayed, gradient)
