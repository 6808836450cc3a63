"""Of what an encoder makes of images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    held_out: float


@dataclass(frozen=True)
class Summary:
    queries: int
