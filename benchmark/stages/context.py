"""What every stage gets: its parameters, the artifacts it builds on, two folders, and a way to show progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.progress import Task


@dataclass
class Context:
    """`out` becomes the artifact. `work` survives an interruption: checkpoints go there."""

    params: dict[str, Any]
    inputs: dict[str, Path]  # kind -> folder of a verified artifact
    manifests: dict[str, dict[str, Any]]  # kind -> its manifest
    out: Path
    work: Path
    task: Task
    workers: int | None = None
    timeout: float = 120.0


# A stage fills `out` and returns a summary of JSON values for the manifest.
StageFunction = Callable[[Context], dict[str, Any]]
