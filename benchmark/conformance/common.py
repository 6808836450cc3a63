"""Shared by the promises."""

from __future__ import annotations

import torch


def ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A module's state as safetensors takes it."""
    return {name: tensor.detach().contiguous().clone() for name, tensor in module.state_dict().items()}
