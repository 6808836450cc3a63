"""Of what an encoder makes of images, and its policy of a demonstration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    held_out: float
    features: str


@dataclass(frozen=True)
class Summary:
    queries: int
