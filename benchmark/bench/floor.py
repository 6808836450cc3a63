"""The least time that some work can take here: its arithmetic and its memory traffic at the rates this machine reaches.

Matrix products and convolutions are counted by torch's FlopCounterMode. Bytes are those that have to move at least once: what a
step saves for its backward pass is written and read, and so are weights, gradients and the optimiser's state. A step that
recomputes instead of saving could go below that, and so can caches where everything is small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """Of one call."""

    flops: float = 0.0
    bytes: float = 0.0  # moved in memory, read and written


@dataclass(frozen=True)
class Ceilings:
    """What this machine reaches where it does nothing else, measured in the same run."""

    flops: Mapping[str, float]  # precision -> floating-point operations per second
    copy: float  # bytes per second, read and written
    write: float  # bytes per second to a file, fsync included
    read: float  # bytes per second from a file that was just written

    def seconds(self, cost: Cost, precision: str) -> float:
        """Arithmetic and traffic can overlap, so the longer of the two."""
        return max(cost.flops / self._rate(precision), cost.bytes / self.copy)

    def _rate(self, precision: str) -> float:
        """The fastest that the work may use: autocast leaves some of it in float32, and cuDNN convolves float32 as TF32."""
        rounded, exact = ("fp32", "tf32"), ("fp32",)
        usable = {"bf16": ("bf16", *rounded), "tf32": rounded, "fp32": rounded if torch.backends.cudnn.allow_tf32 else exact}
        return max(self.flops[name] for name in usable[precision] if name in self.flops)


def flops_of(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def cost_of_step(step: Callable[[], object], optimizer: torch.optim.Optimizer) -> Cost:
    """Of one training step, which is taken. The optimiser's state is there after a first one."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    own = {p.untyped_storage().data_ptr() for p in weights}
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        flops = flops_of(step)
    state = [value for entry in optimizer.state.values() for value in entry.values() if isinstance(value, Tensor)]
    moved: list[Any] = [*weights, *(p.grad for p in weights if p.grad is not None), *state]
    return Cost(flops, 2 * (sum(saved.values()) + sum(tensor.nbytes for tensor in moved)))
