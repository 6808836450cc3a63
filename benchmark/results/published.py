"""The numbers of the DynaMo paper, read from `results/published/`.

Values stay the strings that were printed (`0.80`, `7/10`), so that what is shown is what was published. Names of this harness
meet names of the paper after case and punctuation are dropped (`moco_v3` is MoCo-v3), or through `labels.csv`, which also says
what each table holds fixed: its policy, its environment, the method whose variants it shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.results.options import Column, RowId

ROOT = Path(__file__).parent / "paper"  # a link to results/published, so that an installed package has them, too
TABLES = {"main": 1, "real": 2, "real-pretrained": 3, "policies": 4, "finetune": 5, "ablations": 6, "actions": 7}


@dataclass(frozen=True)
class Entry:
    """One printed number. `value` is None where the paper prints a dash."""

    text: str
    value: float | None
    demonstrations: str
    selection_rule: str


@dataclass(frozen=True)
class PaperColumn:
    """A column of scores, and the column of a published table that shows the same; `label` is empty where none does."""

    column: Column
    table: int
    label: str

    def entry(self, row: str) -> Entry | None:
        return lookup(self.table, row, self.label) if self.label else None

    def row_label(self, row: RowId) -> str:
        """How the paper calls a row; its other tables than 1 and 4 know variants."""
        return labels(self.table, "row").get(str(row), str(row))


@cache
def load(table: int | str) -> pd.DataFrame:
    """One table of the paper, or `labels`: tidy, every field a string."""
    path = ROOT / (f"table{table}.csv" if isinstance(table, int) else f"{table}.csv")
    if not path.exists():
        raise BenchmarkError(f"{path} is not there: published numbers come with the package; install it again")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@cache
def labels(table: int, axis: str) -> dict[str, str]:
    """Name of this harness -> the paper's, for the `row`s or `column`s of a table, or its `policy`, `env` or `method`."""
    frame = load("labels")
    chosen = frame[(frame.table == str(table)) & (frame.axis == axis)]
    return dict(zip(chosen.name, chosen.label, strict=True))


def fixed(table: int, axis: str) -> str | None:
    """The one `policy`, `env` or `method` of a table; None where it shows several."""
    return next(iter(labels(table, axis)), None)


def main_method() -> str:
    """The method whose ingredients the paper's tables take apart."""
    method = fixed(TABLES["ablations"], "method")
    assert method is not None, "labels.csv names the method of Table 6"
    return method


def paper_column(table: int, column: Column) -> PaperColumn:
    """Where the paper prints the same; its table of policies stands for one environment."""
    elsewhere = fixed(table, "env") not in (None, column.env)
    name = column.policy if fixed(table, "policy") is None else column.env
    return PaperColumn(column, table, "" if elsewhere else labels(table, "column").get(name, name))


def same(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def lookup(table: int, row: str, column: str) -> Entry | None:
    """The entry of a row and column, or None where the paper's table has no such place."""
    frame = load(table)
    here = frame[(frame.method.map(same) == same(row)) & (frame.column.map(same) == same(column))]
    if here.empty:
        return None
    entry = here.iloc[0]
    return Entry(entry.value, number(entry.value), entry.demonstrations, entry.selection_rule)


def rows(table: int) -> list[str]:
    """The rows of a table in the paper's order."""
    return list(dict.fromkeys(load(table).method))


def trials(*tables: int) -> pd.DataFrame:
    """Tables 2 and 3 as real trials: robot, task, method, successes, trials."""
    frame = pd.concat([load(table) for table in tables or (2, 3)]).drop_duplicates(["method", "column"])
    counts = frame.value.str.split("/", expand=True).astype(int)
    robot, task = frame.column.str.split(" ").str[0], frame.column
    return pd.DataFrame({"robot": robot, "task": task, "method": frame.method, "successes": counts[0], "trials": counts[1]})


def number(text: str) -> float | None:
    """Of a printed value: `0.80`, `7/10`; None for a dash."""
    if not text:
        return None
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)
