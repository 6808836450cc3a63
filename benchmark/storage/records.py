"""One record per evaluation episode. Records hold nothing that differs between two identical runs: no times, no machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.core.errors import Corrupt

RECORDS = "records.jsonl"
METRIC = "metric/"  # before the name of each score in a file


@dataclass(frozen=True)
class EpisodeRecord:
    episode: int
    episode_seed: int
    steps: int
    score: float
    crashed: bool
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """Flat, as in files and tables: metrics become `metric/NAME`."""
        plain = {name: getattr(self, name) for name in ("episode", "episode_seed", "steps", "score", "crashed", "error")}
        return {**plain, **{f"{METRIC}{name}": value for name, value in self.metrics.items()}}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> EpisodeRecord:
        metrics = {name.removeprefix(METRIC): value for name, value in row.items() if name.startswith(METRIC)}
        return cls(metrics=metrics, **{name: value for name, value in row.items() if not name.startswith(METRIC)})


def write_records(folder: Path, records: Iterable[EpisodeRecord]) -> None:
    with (folder / RECORDS).open("w") as file:
        for record in records:
            file.write(json.dumps(record.to_row(), sort_keys=True) + "\n")


def read_records(folder: Path) -> list[EpisodeRecord]:
    path = folder / RECORDS
    try:
        return [EpisodeRecord.from_row(json.loads(line)) for line in path.read_text().splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise Corrupt(f"{path} cannot be read: {error}") from error
