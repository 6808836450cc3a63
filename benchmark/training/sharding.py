"""An optimiser and its gradients, divided among the processes of one training (`machine.zero`).

The stages of ZeRO (Rajbhandari et al. 2020). 1: each process keeps the moments of its own parameters, takes their step, and
sends the result to the others. 2: it keeps no other gradients either; each one goes to its owner as soon as the backward pass
has it. Weights, curves and checkpoints are those of whole optimisers, to the bit where the same numbers are added in the same
order (on a CPU by two processes, a batch in one piece), so any number of processes goes on from a checkpoint.

DeepSpeed itself is not used, only its configuration files are read (planning/config/deepspeed.py): its engine takes over the
forward pass of one module, the backward pass, clipping, the precision, and checkpoints in a format of its own with a file per
process. That would be a second training loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from benchmark.core.collective import processes, rank


class Shards:
    """Which process has which of the parameters: the next one goes to whoever has least. `gradients`: it has theirs alone."""

    def __init__(self, params: Sequence[nn.Parameter], gradients: bool = False):
        self.params, self.gradients = params, gradients
        self._owned: list[list[nn.Parameter]] = [[] for _ in range(processes())]
        sizes = [0] * processes()
        for parameter in params:
            least = sizes.index(min(sizes))
            self._owned[least].append(parameter)
            sizes[least] += parameter.numel()
        self._owner = {id(parameter): owner for owner, params in enumerate(self._owned) for parameter in params}
        self._means: dict[nn.Parameter, Tensor] = {}  # gradients of this process's own, while pieces of a batch add up

    def mine(self, group: dict[str, Any]) -> dict[str, Any]:
        """What is left of a group for the optimiser of this process."""
        return {**group, "params": [parameter for parameter in group["params"] if self._owner[id(parameter)] == rank()]}

    @contextmanager
    def divided_gradients(self) -> Iterator[None]:
        """Within the block a gradient goes to the owner of its parameter as soon as it is there, and nobody else keeps it. One
        message for each parameter; all processes send them in the order of the backward pass."""
        self._means = {}
        learning = [parameter for parameter in self.params if parameter.requires_grad]
        hooks = [parameter.register_post_accumulate_grad_hook(self._hand_over) for parameter in learning]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        for parameter, gradient in self._means.items():
            parameter.grad = gradient
        self._means = {}

    def _hand_over(self, parameter: Tensor) -> None:
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        assert isinstance(parameter, nn.Parameter)
        owner = self._owner[id(parameter)]
        message = gradient.contiguous()
        distributed.reduce(message, owner)
        if owner == rank():
            gradient.copy_(message / processes())
            self._means[parameter] = self._means[parameter].add_(gradient) if parameter in self._means else gradient

    @torch.no_grad()
    def norm(self, params: Sequence[nn.Parameter]) -> Tensor:
        """Of the gradients of these, each of which is with its owner: the norm of their norms."""
        if not params:
            return self.params[0].new_zeros(())
        norms = torch.stack([torch.linalg.vector_norm(p.grad) if p.grad is not None else p.new_zeros(()) for p in params])
        distributed.all_reduce(norms)
        return torch.linalg.vector_norm(norms)

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
