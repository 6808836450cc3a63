"""Of features."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = {"cpu": 32, "cuda": 256}  # frames at once: on a processor so few that their maps stay in its caches


@dataclass(frozen=True)
class Params:
    features: str
    device: str
    precision: str


@dataclass(frozen=True)
class Summary:
    dim: int
    encoder_gflops: float
    encoder_ms: float
    views: int = 1  # of `PolicySpec`, as tokens
    tokens: int = 1
