"""What is fixed before anything runs: sizes, names and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.core.errors import BenchmarkError

# What a preset may override: {"quick": {"width": 16}, "paper": {...}, "paper/kitchen": {"latent_dim": 64}}. The entry of the
# preset is applied first, then that of the preset and environment.
Presets = Mapping[str, Mapping[str, Any]]


def require(condition: bool, message: str) -> None:
    """For `__post_init__` of configs: an impossible combination stops before any work."""
    if not condition:
        raise BenchmarkError(message)


@dataclass(frozen=True)
class EnvSpec:
    """What is fixed about an environment before any simulator exists."""

    views: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    proprio_dim: int
    state_names: tuple[str, ...]  # one per state dimension; probes group by the part before the first '/'
    hz: float
    max_steps: int
    metric: str  # the key of `score()` that tables show
    metric_range: tuple[float, float]
    expert_target: float  # the mean of the metric that the scripted expert must reach
    tasks: tuple[str, ...] = ()

    @property
    def action_dim(self) -> int:
        return len(self.action_low)

    @property
    def state_dim(self) -> int:
        return len(self.state_names)


@dataclass(frozen=True)
class PolicySpec:
    """The sizes a policy is built for."""

    feature_dim: int
    action_dim: int
    goal_dim: int = 0
