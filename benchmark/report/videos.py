"""The videos of a report: of each recorded row the best and the worst episode, side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.names import row_label
from benchmark.data.video import video_name

LARGEST = 1_500_000  # bytes of a video that goes into the page
TOTAL = 20_000_000  # bytes of all of them


@dataclass(frozen=True)
class Video:
    """One episode. `content` is empty for a video that is too large for the page."""

    env: str
    policy: str
    title: str
    name: str
    size: int  # in bytes
    content: bytes


def videos(folder: Path, provenance: dict[str, Any]) -> list[Video]:
    """What was recorded of the cells that the provenance names; videos of other settings of the same cells are not theirs."""
    found: list[Video] = []
    left = TOTAL
    for cell in provenance["cells"]:
        for path in _extremes(folder, cell):
            size = path.stat().st_size
            inside = size <= min(LARGEST, left)
            left -= size * inside
            found.append(
                Video(cell["env"], cell["policy"], _title(cell, path), path.name, size, path.read_bytes() if inside else b"")
            )
    return found


def _extremes(folder: Path, cell: dict[str, Any]) -> list[Path]:
    """The best and the worst that was recorded."""
    taken = sorted(folder.glob(video_name(cell, "*", "*")), key=lambda path: (-_score(path), path.name))
    return list(dict.fromkeys([*taken[:1], *taken[-1:]]))


def _score(path: Path) -> float:
    return float(path.stem.rpartition("-score")[2])


def _title(cell: dict[str, Any], path: Path) -> str:
    episode = re.search(r"-episode(\d+)-", path.name)
    where = f"{row_label(cell['method'], cell['variant'])}, {cell['env']}, {cell['policy']}, seed {cell['seed']}"
    return f"{where}: episode {episode[1] if episode else '?'}, score {_score(path):g}"
