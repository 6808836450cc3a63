"""The state of an optimiser, divided among the processes of one training (`machine.shard`).

Each process keeps the moments of its own parameters, takes their step, and sends the result to the others: the first stage of
ZeRO (Rajbhandari et al. 2020). Weights, curves and checkpoints are those of whole optimisers, to the bit, so any number of
processes goes on from a checkpoint.

DeepSpeed, which has the second stage, is not used: its engine takes over the forward pass of one module, the backward pass,
clipping, the precision, and checkpoints in a format of its own with a file per process. That would be a second training loop.
What its second stage saves besides are gradients, as many numbers as there are weights: 45 MB for a ResNet-18, 350 MB for a
ViT-B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import distributed, nn

from benchmark.core.collective import processes, rank


class Shards:
    """Which process has which of the parameters: the next one goes to whoever has least."""

    def __init__(self, params: Sequence[nn.Parameter]):
        self.params = params
        self._owned: list[list[nn.Parameter]] = [[] for _ in range(processes())]
        sizes = [0] * processes()
        for parameter in params:
            least = sizes.index(min(sizes))
            self._owned[least].append(parameter)
            sizes[least] += parameter.numel()
        self._mine = {id(parameter) for parameter in self._owned[rank()]}

    def mine(self, group: dict[str, Any]) -> dict[str, Any]:
        """What is left of a group for the optimiser of this process."""
        return {**group, "params": [parameter for parameter in group["params"] if id(parameter) in self._mine]}

    @torch.no_grad()
    def spread(self) -> None:
        """After a step, everybody's parameters go to everybody, in one message each."""
        for owner, params in enumerate(self._owned):
            if params:
                flat = torch.cat([parameter.reshape(-1) for parameter in params])
                distributed.broadcast(flat, owner)
                for parameter, values in zip(params, flat.split([p.numel() for p in params]), strict=True):
                    parameter.copy_(values.view_as(parameter))


def whole_state(state: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What all processes hold of an optimiser's state, by the number of the parameter, in the first of them."""
    parts: list[Any] = [None] * processes()
    on_cpu = {n: {k: v.cpu() if isinstance(v, torch.Tensor) else v for k, v in values.items()} for n, values in state.items()}
    distributed.gather_object(on_cpu, parts if rank() == 0 else None)
    return {number: values for part in parts if part for number, values in part.items()}
