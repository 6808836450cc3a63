from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmark import registry
from benchmark.storage.artifacts import Store
from tests.toy import Toy

with contextlib.suppress(ImportError):
    import triton  # noqa: F401 - imported after Mesa has drawn in this process, it crashes

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)


@pytest.fixture
def toy() -> Iterator[type[Toy]]:
    """The toy environment under its name; a fixture of the whole module may have put it there already."""
    known = "toy" in registry.envs().names()
    registry.envs().add(Toy)
    yield Toy
    if not known:
        registry.envs().remove("toy")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs")
    store.prepare()
    return store
