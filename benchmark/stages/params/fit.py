"""Of policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LAST, VALIDATION = "last", "validation"  # the checkpoints a fit leaves: the final one, and that of the lowest held-out loss


@dataclass(frozen=True)
class Budget:
    """None of the two: the policy's own epochs. `checkpoint_every` is on the key: held-out losses are taken then."""

    steps: int | None
    epochs: float | None
    checkpoint_every: int


@dataclass(frozen=True)
class Joint:
    """The encoder goes on learning with the policy."""

    rates: tuple[tuple[str, float], ...]  # (pattern of parameter names, fraction of the policy's learning rate): first match
    batch: int
    precision: str
    features: str
    augment: str = "none"  # a word of `data.augment.JOINT`


@dataclass(frozen=True)
class Params:
    policy: str
    config: dict[str, Any]  # without what acting alone reads
    budget: Budget | None  # None: nothing is trained
    goal: str
    held_out: float
    unseen: float  # kept from encoders, too: their ends are goals of rollouts, recordings are scored on them
    seed: int
    device: str
    proprio: bool = False  # the policy is given proprioception as well
    joint: Joint | None = None  # None: the encoder is frozen, and only its cached features are read
    precision: str = "auto"  # of the policy; of a network that learns with it: joint.precision
    compile: bool = False  # the loss, by torch.compile
    standardise: bool = True  # features, before the policy sees them


@dataclass(frozen=True)
class Summary:
    policy_params: int
    feature_dim: int  # of what the encoder gives
    goal_dim: int
    proprio_dim: int = 0
    language_dim: int = 0
    views: int = 1  # of `PolicySpec`, as tokens
    tokens: int = 1
    fit_steps: int = 0
    frames_seen: int = 0  # by an encoder that learns with the policy
    fit_seconds: float = 0.0
    validation_loss: float | None = None
