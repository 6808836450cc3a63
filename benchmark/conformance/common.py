"""Shared by the promises."""

from __future__ import annotations

import difflib
from typing import Any

import torch

from benchmark import registry
from benchmark.contracts.environment import Environment
from benchmark.contracts.presets import PRESETS
from benchmark.core.errors import UnknownName


def ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def check_preset_names(cls: Any) -> None:
    """Every key of `presets` is a preset, or a preset and an environment: a misspelt one would be ignored.

    A component of another package may have settings for an environment of a third one that is not installed here. So a name
    that nobody has is taken for a misspelling if the component is ours, or if one that exists is close to it.
    """
    envs = [*registry.envs().names(), *([cls.name] if issubclass(cls, Environment) else [])]
    for key in cls.presets:
        preset, _, env = key.partition("/")
        if preset not in PRESETS:
            raise UnknownName(f"preset in {cls.name}.presets['{key}']:", preset, PRESETS)
        ours = cls.__module__.startswith("benchmark.")
        if "/" in key and env not in envs and (ours or difflib.get_close_matches(env, envs)):
            raise UnknownName(f"environment in {cls.name}.presets['{key}']:", env, envs)


def tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A module's state as safetensors takes it."""
    return {name: tensor.detach().contiguous().clone() for name, tensor in module.state_dict().items()}
