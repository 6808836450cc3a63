"""What was measured, as types; JSON beside the page, so that two commits can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json, to_json
from benchmark.storage.files import write_text


@dataclass(frozen=True)
class Measurement:
    """One line: a rate with its spread, or the reason why there is none."""

    name: str  # group/what/how
    unit: str = ""  # of the rate
    rate: float | None = None  # units per second, from the median repetition
    spread: float | None = None  # slowest minus fastest repetition, as a fraction of the median
    floor: float | None = None  # seconds that one unit takes at least, by the machine's ceilings
    reference: float | None = None  # the rate of the released code in the same run
    detail: str = ""  # sizes, and the time of a call
    reason: str | None = None  # why it was not measured
    failed: bool = False  # the reason is an error, not something that this machine lacks

    @property
    def share(self) -> float | None:
        """Of the ceiling: 1 where a unit takes no longer than the floor."""
        return None if self.rate is None or self.floor is None else self.rate * self.floor

    @property
    def group(self) -> str:
        return self.name.split("/")[0]


@dataclass(frozen=True)
class Report:
    """One run of the command."""

    command: str
    date: str
    provenance: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    others: float  # what other processes took of the processors meanwhile, as a fraction

    def save(self, path: Path) -> None:
        write_text(path, json.dumps(to_json(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Report:
        try:
            return from_json(cls, json.loads(path.read_text()))
        except (OSError, ValueError, BenchmarkError) as error:
            raise BenchmarkError(f"{path} is no result of `bench`: {error}") from error
