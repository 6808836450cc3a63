"""The settings a component brings along, by name: how large an experiment is, from a test to the paper's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from benchmark.core.errors import BenchmarkError

PRESETS = ("smoke", "quick", "standard", "paper")


def component_config(cls: Any, preset: str, env: str) -> Any:
    """A component's Config under a preset, for an environment."""
    values = {**cls.presets.get(preset, {}), **cls.presets.get(f"{preset}/{env}", {})}
    unknown = sorted(set(values) - {f.name for f in fields(cls.Config)})
    if unknown:
        raise BenchmarkError(f"preset '{preset}' of {cls.name} sets unknown fields: {', '.join(unknown)}")
    return cls.Config(**values)
