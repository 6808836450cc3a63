"""Imports of recordings in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.core.progress import Task
from benchmark.data.episodes import Demos, open_demos
from benchmark.datasets.recordings import import_recording
from benchmark.storage.artifacts import Store


def take(store: Store, path: Path, name: str = "mine", **options: Any) -> Demos:
    return open_demos(import_recording(store, path, name, Task(), **options))
