"""A folder of images to import."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets import builders
from tests.datasets.builders.content import Built


@pytest.fixture
def source(tmp_path: Path) -> Built:
    return builders.folder_of_images(tmp_path / "data")
