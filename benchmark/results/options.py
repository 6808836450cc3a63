"""What a reader can choose about results, and the names of rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import parse_row, row_label
from benchmark.results import statistics

STATISTICS = {"mean": statistics.mean, "iqm": statistics.iqm}


@dataclass(frozen=True)
class Options:
    """The choices of a table or figure; each uses what concerns it."""

    source: Literal["ours", "published", "both"] = "ours"
    env: str | None = None  # where one environment is shown; default: the first
    policy: str | None = None  # where one policy is shown; default: the first
    method: str | None = None  # whose ablations and fine-tuning; default: the method that the paper is about
    reference: str | None = None  # what `compare` compares with, as `method` or `method:variant`; default: the floor
    statistic: str = "mean"  # mean | iqm
    metric: str = "score"  # or another metric column of the records, as `metric/tasks_raw`
    holm: bool = False  # correct the p-values of `compare` for their number
    difference: float | None = None  # the difference that `power` has to resolve
    level: float = statistics.LEVEL
    draws: int = statistics.DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.source not in ("ours", "published", "both"):
            raise UnknownName("source", self.source, ("ours", "published", "both"))
        if self.statistic not in STATISTICS:
            raise UnknownName("statistic", self.statistic, STATISTICS)
        if not 0 < self.level < 1:
            raise BenchmarkError(f"level is a probability between 0 and 1, not {self.level}")
        if self.draws < 100:
            raise BenchmarkError(f"draws must be at least 100, not {self.draws}")


class RowId(NamedTuple):
    """A row of a table."""

    method: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> RowId:
        return cls(*parse_row(text))

    def __str__(self) -> str:
        return row_label(*self)


class Column(NamedTuple):
    """A column of a table: an environment under a policy."""

    env: str
    policy: str
