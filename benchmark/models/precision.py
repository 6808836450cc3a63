"""Where reduced precision begins, and where it must stop: features and losses, whose differences bf16 does not resolve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor


def autocast(device: torch.device | str, precision: str) -> AbstractContextManager[Any]:
    """What is computed within is computed in this precision, whatever it is around: bf16 as far as torch deems it safe, and
    in any other one as the tensors come."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def products(precision: str) -> Iterator[None]:
    """tf32: within, CUDA's products of float32 matrices round what they multiply to 10 bits of mantissa, and add in float32.
    fp32: they do not, whatever it is around."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision({"tf32": "high", "fp32": "highest"}.get(precision, before))
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def at_least_float32(x: Tensor) -> Tensor:
    """bf16 and fp16, as autocast leaves them, become float32; float32 and float64 pass through."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _attention_in_float32(q: Tensor, k: Tensor, v: Tensor, *more: Any, **settings: Any) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), *more, **settings)


# What autocast does with attention on processors, where its backward pass in bf16 takes ten times as long as in float32: two
# thirds of an MAE step (torch 2.15, one core with AMX). Everything around it stays in bf16.
_processors = torch.library.Library("aten", "IMPL", "AutocastCPU")
_processors.impl("scaled_dot_product_attention", _attention_in_float32)
