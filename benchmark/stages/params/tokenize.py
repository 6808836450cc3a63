"""Of tokenizers of actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TOKENIZER = "tokenizer.safetensors"


@dataclass(frozen=True)
class Params:
    policy: str  # which names the class
    config: dict[str, Any]  # those of the policy's settings that the tokenizer is made of
    held_out: float
    seed: int
    device: str


@dataclass(frozen=True)
class Summary:
    chunks: int  # of the training demonstrations
    numbers: int  # that it keeps: weights, codes and the averages that moved them
