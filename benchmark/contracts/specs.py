"""What is fixed before anything runs: sizes, names and bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def require_sizes(config: Any, *names: str) -> None:
    """Settings that count what cannot be missing, such as layers."""
    for name in names:
        require(getattr(config, name) >= 1, f"{name} must be at least 1, not {getattr(config, name)}")


def require_probabilities(config: Any, *names: str) -> None:
    for name in names:
        require(0 <= getattr(config, name) < 1, f"{name} is a probability below 1, not {getattr(config, name)}")


def feature_parts(kind: str) -> list[tuple[str, int | None]]:
    """(feature, cells of the grid along a side, None: as it is) of what `embed.features` names, in order."""
    parts = []
    for text in kind.split("+"):
        name, at, side = text.partition("@")
        if not name.isidentifier() or (at and (name == "pooled" or not side.isdecimal() or int(side) < 1)):
            raise BenchmarkError(
                f"embed.features: '{text}' is no feature, such as pooled, and no FEATURE@N, such as patch@3, of one with places"
            )
        parts.append((name, int(side) if at else None))
    return parts


DEPTH = " depth"  # what the view `NAME depth` adds to the view `NAME` before it: the same picture in depth
# In all three channels of such a view 255 stands for so many m along the camera's axis; SpawnNet's release clips there.
FARTHEST = 2.0


def all_with_depth(views: Sequence[str]) -> bool:
    """Whether they are pairs of a view and its depth."""
    return len(views) > 0 and tuple(views[1::2]) == tuple(view + DEPTH for view in views[::2])


UNKNOWN = "unknown"
REPRESENTATIONS = ("absolute", "delta", "velocity", UNKNOWN)


@dataclass(frozen=True)
class ActionSpec:
    """What the numbers of an action are, so that no two kinds are mixed unnoticed. What a source does not say is unknown."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    names: tuple[str, ...] = ()  # one per dimension; empty: unknown
    representation: str = UNKNOWN  # absolute: where to be | delta: how far to move | velocity: how fast
    of: str = UNKNOWN  # what is commanded: "end effector pose", "joints"
    frame: str = UNKNOWN  # whose axes
    units: str = UNKNOWN  # of 1
    gripper: str = UNKNOWN  # which value opens it and which closes it; "none" without one

    def __post_init__(self) -> None:
        for name in ("low", "high", "names"):  # JSON knows lists only
            object.__setattr__(self, name, tuple(getattr(self, name)))
        require(len(self.low) == len(self.high), f"{len(self.low)} low and {len(self.high)} high action bounds")
        require(len(self.names) in (0, self.dim), f"{len(self.names)} names for {self.dim} action dimensions")
        require(
            self.representation in REPRESENTATIONS,
            f"actions are one of {', '.join(REPRESENTATIONS)}, not '{self.representation}'",
        )

    @property
    def dim(self) -> int:
        return len(self.low)


@dataclass(frozen=True)
class EnvSpec:
    """What is fixed about an environment before any simulator exists."""

    views: tuple[str, ...]  # each of them, or none, with its depth after it: ("front", "front depth")
    action: ActionSpec
    proprio_dim: int
    state_names: tuple[str, ...]  # one per state dimension; probes group by the part before the first '/'
    hz: float
    max_steps: int
    metric: str  # the key of `score()` that tables show
    metric_range: tuple[float, float]
    expert_target: float  # the mean of the metric that the scripted expert must reach
    state_target: float | None = None  # the mean that a policy on the state must reach before encoders are compared
    tasks: tuple[str, ...] = ()

    @property
    def action_low(self) -> tuple[float, ...]:
        return self.action.low

    @property
    def action_high(self) -> tuple[float, ...]:
        return self.action.high

    @property
    def action_dim(self) -> int:
        return self.action.dim

    @property
    def state_dim(self) -> int:
        return len(self.state_names)


@dataclass(frozen=True)
class PolicySpec:
    """The sizes a policy is built for; 0: it is not given this."""

    feature_dim: int
    action_dim: int
    goal_dim: int = 0
    proprio_dim: int = 0
    language_dim: int = 0
    views: int = 1  # The features are views x tokens equal vectors, one after the other; 1 x 1: nothing is known of their parts
    tokens: int = 1
