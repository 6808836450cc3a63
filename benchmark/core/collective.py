"""What processes that train one network say to each other: one part of a batch each, one result.

Every batch is the whole one, divided into equal parts; a loss is the mean over the processes of what each of them returns. So a
mean over windows needs nothing. What looks at the batch as a whole (negatives, covariances, batch norm) takes `gather` or
`average`, whose gradients reach the processes that the numbers came from. Without other processes all of this is the identity,
to the bit.

Random numbers are drawn for the whole batch by each process, which keeps those of its part (`rand`): what happens to a window
does not depend on who computes it.

A process may in turn compute its part piece by piece and add up the gradients (`piece`), where no window looks at another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from benchmark.core.errors import BenchmarkError

WHOLE = "this method compares the windows of a batch, so that it cannot be computed in pieces; take more machine.processes"


@dataclass
class _Piece:
    """Of what this process computes of a batch, the piece that is its turn."""

    index: int = 0
    count: int = 1


_piece = _Piece()


def processes() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextmanager
def piece(index: int, count: int) -> Iterator[None]:
    """Within the block only this piece of the process's own part is computed."""
    _piece.index, _piece.count = index, count
    try:
        yield
    finally:
        _piece.index, _piece.count = 0, 1


def require_whole() -> None:
    """Before anything that depends on the batch as a whole."""
    if _piece.count > 1:
        raise BenchmarkError(f"machine.accumulate={_piece.count}: {WHOLE}")


def mine(x: Tensor) -> Tensor:
    """The part of a batch, along the first axis, that this process computes."""
    return x if processes() == 1 else x.chunk(processes())[rank()]


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The block, in the first process before it begins in the others."""
    if rank() > 0:
        distributed.barrier()
    yield
    if rank() == 0 and processes() > 1:
        distributed.barrier()


def rand(n: int, *shape: int, generator: torch.Generator) -> Tensor:
    """Uniform numbers for the `n` samples of this process, `shape` for each: its part of those for the whole batch."""
    parts = processes() * _piece.count
    drawn = torch.rand(parts * n, *shape, generator=generator, device=generator.device)
    first = (rank() * _piece.count + _piece.index) * n
    return drawn[first : first + n]


def gather(x: Tensor) -> Tensor:
    """The samples of all processes along the first axis, in the order of the batch."""
    if torch.is_grad_enabled():
        require_whole()
    return x if processes() == 1 else _Gather.apply(x)


def average(x: Tensor) -> Tensor:
    """The mean over processes: of means over their windows, that over the batch."""
    if torch.is_grad_enabled():
        require_whole()
    return x if processes() == 1 else _Sum.apply(x) / processes()


def average_(tensors: list[Tensor]) -> None:
    """The same in place and without gradients, in one message."""
    if processes() == 1:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= processes()
    for tensor, values in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(values.view_as(tensor))


class _Gather(torch.autograd.Function):
    """Everybody computes the same loss of the result, and the loss is the mean of these: the gradient of a part is the sum of
    what all say of it."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(processes())]
        distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(processes())[rank()]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total
