from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.models import weights
from tests.models.tiny import TINY


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of the tiny network belongs, in an empty weights folder."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights.path_of(TINY).parent.mkdir(parents=True)
    return weights.path_of(TINY)
