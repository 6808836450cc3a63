"""Of demonstrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Params:
    env: str
    config: dict[str, Any]
    shift: str = "none"


@dataclass(frozen=True)
class Summary:
    source: str
    episodes: int
    frames: int
    mean_steps: float
    mean_score: float | None
    metric: str
    simulator: dict[str, str] | None
