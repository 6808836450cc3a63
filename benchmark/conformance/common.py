"""Shared by the promises."""

from __future__ import annotations

import difflib
from types import TracebackType
from typing import Any

import torch

from benchmark import registry
from benchmark.contracts.environment import Environment
from benchmark.contracts.presets import PRESETS
from benchmark.core.errors import UnknownName


def ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


class Faults:
    """Everything that is wrong in a block, raised together at its end: who mends one fault should not meet the next one after.

    An exception inside the block ends it, and is told after what was wrong before.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []

    def ensure(self, condition: bool, message: str) -> bool:
        if not condition:
            self.messages.append(message)
        return condition

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.messages and isinstance(error, Exception):
            raise AssertionError("\n".join([*self.messages, f"then {type(error).__name__}: {error}"])) from error
        if self.messages and error is None:
            raise AssertionError("\n".join(self.messages))


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
