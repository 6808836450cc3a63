"""Recordings as environments take them: found by name, held to the content that was planned with, at the size asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.core.home import home_of
from benchmark.datasets.recordings import KIND, check_name, digest, open_folder
from benchmark.datasets.source import stretch

IMPORT = "python -m benchmark data import SOURCE --name NAME"


def folder_of(name: str) -> Path:
    """Where a recording lies, or would, in the store that BENCHMARK_HOME names, or in runs/."""
    return home_of() / KIND / check_name(name)


def manifest_in(folder: Path) -> dict[str, Any] | None:
    """None if there is no recording."""
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text())
        manifest["summary"]["spec"], manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is not the manifest of a recording: {error!r}") from error
    return manifest


def pinned(folder: Path, manifest: dict[str, Any], sha256: str) -> str:
    """The checksum of the content; refused if it is not the one that was planned with."""
    if sha256 not in ("", content := digest(manifest)):
        raise BenchmarkError(f"{folder} is not the recording that was planned with: its content has changed")
    return content


def missing(folder: Path) -> str | None:
    """Why it cannot be used here, or None."""
    return f"there is no recording in {folder}: {IMPORT}" if manifest_in(folder) is None else None


def episodes_in(folder: Path, side: int, most: int) -> Iterator[Episode]:
    """The first so many, frames stretched."""
    if reason := missing(folder):
        raise Unavailable(reason)
    demos = open_folder(folder)
    for number, (start, end) in enumerate(pairwise([0, *demos.ends.tolist()])):
        if number == most:
            return
        frames = np.stack([[stretch(view, side) for view in views] for views in demos.frames[start:end]])
        columns = (demos.actions[start:end], demos.states[start:end], demos.proprio[start:end])
        yield Episode(frames, *columns, info=demos.infos[number])
