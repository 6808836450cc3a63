"""What the user asks for, in names."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError

DEFAULT = "default"  # a name that stands for what the configuration says (config/defaults.yaml)


def own_preset(base: str, name: str) -> str:
    """How a table names a preset of somebody's own: with what it is based on."""
    return f"{base}+{name}"


def base_preset(preset: str) -> str:
    """The one of ours whose settings components know."""
    return preset.partition("+")[0]


@dataclass(frozen=True)
class Request:
    methods: Sequence[str] = ("all",)  # "dynamo", "dynamo:no_forward", "dynamo:all" or "all"
    envs: Sequence[str] = (DEFAULT,)
    policies: Sequence[str] = (DEFAULT,)
    seeds: int = 1
    preset: str = "quick"
    overrides: Sequence[str] = ()
    first_seed: int = 0
    preset_settings: Sequence[str] = ()  # those of a preset of one's own: they come and go with it, and before the overrides

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise BenchmarkError(f"--seeds must be at least 1, not {self.seeds}")
        if self.first_seed < 0:
            raise BenchmarkError(f"--first-seed must not be negative, not {self.first_seed}")

    @property
    def settings(self) -> list[str]:
        return [*self.preset_settings, *self.overrides]

    @property
    def training_seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)

    def command(self) -> str:
        """What to type for it."""
        plain, words = Request(), ["python", "-m", "benchmark", "run"]
        for name in ("methods", "envs", "policies"):
            if list(getattr(self, name)) != list(getattr(plain, name)):
                words += [f"--{name}", ",".join(getattr(self, name))]
        for name in ("seeds", "first_seed"):
            if getattr(self, name) != getattr(plain, name):
                words += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        if (preset := base_preset(self.preset)) != plain.preset:
            words += ["--preset", preset]
        return shlex.join([*words, *self.settings])
