"""Of rollouts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Params:
    seed: int
    episodes: int
    slots: int
    starts: str
    checkpoint: str
    shift: str
    features: str
    device: str
    precision: str  # of the encoder, as its features were computed for the policy
    acting: dict[str, Any] = field(default_factory=dict)  # the settings of the policy that acting alone reads


@dataclass(frozen=True)
class Summary:
    episodes: int
    crashed: int
    mean_score: float
    simulator: dict[str, str] | None = None
    policy_ms: float | None = None
