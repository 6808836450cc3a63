"""What the user asks for, in names."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError
from benchmark.core.names import component_of, parse_row, plain

DEFAULT = "default"  # a name that stands for what the configuration says (config/defaults.yaml)


def own_preset(base: str, name: str) -> str:
    """How a table names a preset of somebody's own: with what it is based on."""
    return f"{base}+{name}"


def base_preset(preset: str) -> str:
    """The one of ours whose settings components know."""
    return preset.partition("+")[0]


def seeds_named(seeds: int | None, first_seed: int | None) -> range | None:
    """Those that are asked for among recorded ones; None: all."""
    if seeds is None and first_seed is None:
        return None
    first = first_seed or 0
    return range(first, sys.maxsize if seeds is None else first + seeds)


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

    def concerned(self, settings: Sequence[str]) -> Sequence[str]:
        """Those that are of no component, or of one that is named. Where encoders are made elsewhere, of any environment."""
        named = {
            "method": [parse_row(method)[0] for method in self.methods],
            "policy": [plain(policy) for policy in self.policies],
            "env": [component_of(env) for env in self.envs],
        }
        if any(re.search(r"\bon=", text) for text in (*self.methods, *settings)):
            del named["env"]
        kept = []
        for text in settings:
            group, _, rest = text.partition("=")[0].partition(".")
            if group not in named or {rest.partition(".")[0], "all", DEFAULT} & set(named[group]):
                kept.append(text)
        return settings if len(kept) == len(settings) else kept

    def command(self) -> str:
        """What to type for it."""
        usual, words = Request(), ["python", "-m", "benchmark", "run"]
        for name in ("methods", "envs", "policies"):
            if list(getattr(self, name)) != list(getattr(usual, name)):
                words += [f"--{name}", ",".join(getattr(self, name))]
        for name in ("seeds", "first_seed"):
            if getattr(self, name) != getattr(usual, name):
                words += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        if (preset := base_preset(self.preset)) != usual.preset:
            words += ["--preset", preset]
        return shlex.join([*words, *self.settings])
