"""Of collecting demonstrations where a policy goes (DAgger)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmark.stages.params import demos


@dataclass(frozen=True)
class Params(demos.Params):
    """Those of demonstrations and how more are made of them: the artifact is read as demonstrations are."""

    round: int = 1
    episodes: int = 0  # that the policy plays
    most: int = 0  # that are kept, the newest
    seed: int = 0
    slots: int = 8
    features: str = "pooled"
    device: str = "auto"
    precision: str = "auto"  # of the encoder, as in rollouts
    acting: dict[str, Any] = field(default_factory=dict)  # as in rollouts
    checkpoint: str = "last"  # as in rollouts


@dataclass(frozen=True)
class Summary(demos.Summary):
    labelled: int = 0  # states that the expert was asked about so far, those of its own demonstrations included
