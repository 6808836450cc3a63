"""Of what an encoder makes of images, and its policy of a demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Params:
    held_out: float
    features: str
    acting: dict[str, Any]  # as in rollouts
    checkpoint: str = "last"  # as in rollouts


@dataclass(frozen=True)
class Summary:
    queries: int
