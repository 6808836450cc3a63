"""Of probes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    held_out: float


@dataclass(frozen=True)
class Summary:
    """The probes are None where nothing of the state varies."""

    linear_r2: float | None
    linear_r2_by_group: dict[str, float]
    nearest_error: float | None
    effective_rank: float
    feature_std: float
    relative_spread: float
    collapsed: bool
    collapse_reason: str | None = None
