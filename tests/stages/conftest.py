from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmark import registry
from tests.stages.spies import Clock, Recordings, Tally


@pytest.fixture
def spies() -> Iterator[None]:
    """`recordings`, `tally` and `clock` under their names, with nothing counted yet."""
    registry.envs().add(Recordings)
    registry.methods().add(Tally)
    registry.policies().add(Clock)
    Recordings.spoilt = frozenset()
    Tally.reset()
    Clock.reset()
    yield
    Recordings.spoilt = frozenset()
    registry.envs().remove(Recordings.name)
    registry.methods().remove(Tally.name)
    registry.policies().remove(Clock.name)
