"""Of pretraining."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENCODER = "encoder.safetensors"


@dataclass(frozen=True)
class Budget:
    """At most one of the three; none: the method's own epochs."""

    frames: int | None = None
    steps: int | None = None
    epochs: float | None = None


@dataclass(frozen=True)
class Learning:
    """What is known of a training besides the method's own settings."""

    budget: Budget
    held_out: float
    device: str
    precision: str
    compile: bool = False  # the loss, by torch.compile


@dataclass(frozen=True)
class Params:
    method: str
    config: dict[str, Any]
    seed: int
    learning: Learning | None = None  # None: the encoder is not trained on demonstrations
    files: dict[str, str] = field(default_factory=dict)  # name -> sha256 of every file that the method reads


@dataclass(frozen=True)
class Summary:
    encoder_params: int
    encoder: str = ""  # the network and what it does to frames
    trainable_params: int = 0
    frames_seen: int = 0
    gradient_steps: int = 0
    pretrain_seconds: float = 0.0
    frames_per_second: float | None = None
    final_loss: float | None = None
    not_learned: str | None = None  # why nothing can have been learned: the loss never left its trivial value
