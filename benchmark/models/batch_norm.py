"""Batch norm over the whole batch where several processes share it.

The rows whose papers train on several devices synchronise it there: BYOL, MoCo-v3, SimSiam (section 3), VICReg and DINO (their
code converts every batch norm), DynaMo (its configurations set it). The others would see a smaller batch than the one they are
given, so all do here: a number of processes is no setting of a method. torch's own SyncBatchNorm exists on CUDA only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmark.core.collective import average, processes
from benchmark.core.errors import BenchmarkError

EPSILON = 1e-5  # of torch's batch norm


class Normalised(NamedTuple):
    normalised: Tensor
    mean: Tensor
    variance: Tensor


def normalise(x: Tensor, eps: float = EPSILON) -> Normalised:
    """(N, C, ...) with every channel at mean 0 and variance 1 over the batch of all processes, and what they were."""
    others = [axis for axis in range(x.ndim) if axis != 1]
    mean = average(x.mean(others, keepdim=True))
    variance = average((x - mean).square().mean(others, keepdim=True))
    return Normalised((x - mean) * torch.rsqrt(variance + eps), mean.flatten(), variance.flatten())


class SharedBatchNorm(nn.Module):
    """A batch norm with the parameters and buffers of another, and their names."""

    num_batches_tracked: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__()
        self.weight, self.bias, self.eps, self.momentum = norm.weight, norm.bias, norm.eps, norm.momentum
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *(1,) * (x.ndim - 2))
        with torch.autocast(x.device.type, enabled=False):
            full = x.float()
            if self.training:
                full, mean, variance = normalise(full, self.eps)
                self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1] * processes())
            else:
                full = (full - self.running_mean.view(shape)) * torch.rsqrt(self.running_var.view(shape) + self.eps)
            if self.weight is not None:
                full = full * self.weight.view(shape) + self.bias.view(shape)
        return full.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.num_batches_tracked += 1
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)  # unbiased, as torch's


def _is_plain(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> bool:
    """Not one that computes something of its own, as timm's do."""
    return type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d) and norm.track_running_stats and norm.momentum is not None


def require_no_batch_norm(module: nn.Module) -> None:
    if any(isinstance(part, (nn.modules.batchnorm._BatchNorm, SharedBatchNorm)) for part in module.modules()):
        raise BenchmarkError("machine.accumulate: a batch norm sees the whole batch, so take more machine.processes instead")


def share_batch_norms(module: nn.Module) -> None:
    """Every batch norm in a network becomes one over the whole batch. Its parameters stay the same objects."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) and _is_plain(child):
            setattr(module, name, SharedBatchNorm(child))
        elif isinstance(child, nn.modules.batchnorm._BatchNorm):
            raise BenchmarkError(f"{type(child).__name__} ({name}) sees its own process only: machine.processes=1")
        else:
            share_batch_norms(child)
