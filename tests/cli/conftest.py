"""A store that does not exist yet, for runs on the toy environment."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, toy: type) -> Path:
    return tmp_path / "runs"
