"""The privileged upper bound: what a policy does when it is told the state instead of shown an image."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method


class StateEncoder(Encoder):
    """The simulator state as it is; policies see features normalised, so nothing is scaled here."""

    reads = "state"

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def pooled(self, images: Tensor) -> Tensor:
        return images.float()


class State(Method):
    """Not an encoder but a ceiling: shown apart in tables, never compared with rows that must look."""

    name = "state"
    learns = False
    privileged = True
    presets = {}  # no network whose size could matter
    source = "the simulator's own state"

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return StateEncoder(data.state_dim)

    @classmethod
    def seeded(cls, config: Any) -> bool:
        return False
