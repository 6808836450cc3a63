"""Where reduced precision must stop: features and losses, whose differences are smaller than bf16 resolves."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """bf16 and fp16, as autocast leaves them, become float32; float32 and float64 pass through."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
