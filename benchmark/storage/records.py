"""One record per evaluation episode. Records hold nothing that differs between two identical runs: no times, no machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import Corrupt

RECORDS = "records.jsonl"
METRIC = "metric/"  # before the name of each score in a file
PLAIN = ("episode", "episode_seed", "steps", "score", "crashed", "error")
REQUIRED = frozenset(PLAIN) - {"error"}


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
        plain = {name: getattr(self, name) for name in PLAIN}
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
    return [EpisodeRecord.from_row(row) for row in _rows(folder)]


def read_columns(folder: Path) -> dict[str, np.ndarray]:
    """The same as columns, which have the names of `to_row`: tables are made of millions of episodes."""
    rows = _rows(folder)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _array(name, [row.get(name) for row in rows]) for name in names}


def _rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / RECORDS
    try:
        rows = json.loads(f"[{','.join(path.read_text().splitlines())}]")
        for names in {tuple(row) for row in rows}:
            if not REQUIRED.issubset(names) or any(name not in PLAIN and not name.startswith(METRIC) for name in names):
                raise ValueError(f"no episode has the fields {', '.join(names)}")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Corrupt(f"{path} cannot be read: {error}") from error
    return rows


def _array(name: str, values: list[Any]) -> np.ndarray:
    if name == "error":
        return np.array(values, dtype=object)
    return np.array(values, dtype=float if None in values else None)  # a crashed episode may lack a metric
