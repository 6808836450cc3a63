"""The numbers of the DynaMo paper, read from `results/published/`, and the tables they were printed in.

Values stay the strings that were printed (`0.80`, `7/10`), so that what is shown is what was published. Names of this harness
meet names of the paper after case and punctuation are dropped (`moco_v3` is MoCo-v3), or through the dictionaries below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow

ROOT = Path(__file__).parent / "paper"  # a link to results/published, so that an installed package has them, too
TABLES = {"main": 1, "real": 2, "real-pretrained": 3, "policies": 4, "finetune": 5, "ablations": 6, "actions": 7}

ENVS = {"kitchen": "Franka Kitchen", "block_push": "Block Pushing", "pusht": "Push-T", "libero_goal": "LIBERO Goal"}
POLICIES = {"vqbet": "VQ-BeT", "diffusion": "Diffusion Policy", "mlp": "MLP (chunking)", "knn": "kNN (LWR)"}
POLICY = "vqbet"  # of every table but the fourth
METHOD = "dynamo"  # whose ablations Tables 5 to 7 show
ABLATIONS = {
    "no_forward": "No forward",
    "no_inverse": "No inverse",
    "no_bottleneck": "No bottleneck",
    "no_covariance": "No cov. reg.",
    "no_stop_gradient": "No stop grad",
    "short_context": "Short context",
}
ACTIONS = {
    "actions_only": "Inverse dynamics to true actions only",
    "with_actions": "DynaMo + MLP head from latent to action",
}
FINETUNE = {
    ("imagenet", ""): "ImageNet",
    (METHOD, ""): "DynaMo, random init",
    (METHOD, "imagenet_init"): "DynaMo, ImageNet init",
}


@dataclass(frozen=True)
class Entry:
    """One printed number. `value` is None where the paper prints a dash."""

    text: str
    value: float | None
    demonstrations: str
    selection_rule: str


@cache
def load(number: int) -> pd.DataFrame:
    """One table of the paper, tidy, every field a string."""
    path = ROOT / f"table{number}.csv"
    if not path.exists():
        raise BenchmarkError(f"{path} is not there: published numbers come with the package; install it again")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def same(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def lookup(number: int, row: str, column: str) -> Entry | None:
    """The entry of a row and column, or None where the paper's table has no such place."""
    frame = load(number)
    found = frame[(frame.method.map(same) == same(row)) & (frame.column.map(same) == same(column))]
    if found.empty:
        return None
    entry = found.iloc[0]
    return Entry(entry.value, _number(entry.value), entry.demonstrations, entry.selection_rule)


def labels(number: int) -> list[str]:
    """The rows of a table in the paper's order."""
    return list(dict.fromkeys(load(number).method))


def trials(*numbers: int) -> pd.DataFrame:
    """Tables 2 and 3 as real trials: robot, task, method, successes, trials."""
    frame = pd.concat([load(number) for number in numbers or (2, 3)]).drop_duplicates(["method", "column"])
    counts = frame.value.str.split("/", expand=True).astype(int)
    robot, task = frame.column.str.split(" ").str[0], frame.column
    return pd.DataFrame({"robot": robot, "task": task, "method": frame.method, "successes": counts[0], "trials": counts[1]})


def published_table(name: str) -> Table:
    """A table of the paper as it was printed, digit for digit."""
    if name not in TABLES:
        raise UnknownName("published table", name, TABLES)
    number = TABLES[name]
    frame = load(number)
    real = number in (2, 3)
    down, across = ("column", "method") if real else ("method", "column")
    columns = list(dict.fromkeys(frame[across]))
    rows = []
    for label, group in frame.groupby(down, sort=False):
        texts = dict(zip(group[across], group.value, strict=True))
        rows.append(
            TableRow(str(label), tuple(TableCell(texts[c] or DASH, None if real else _number(texts[c])) for c in columns))
        )
    ranges = dict(zip(frame.column, frame.range, strict=True))
    by_rule = {rule: ", ".join(dict.fromkeys(group.column)) for rule, group in frame.groupby("selection_rule", sort=False)}
    rules = "; ".join(f"{where}: {rule}" if len(by_rule) > 1 else str(rule) for rule, where in by_rule.items())
    return Table(
        name=f"published-{name}",
        caption=f"{frame.citation.iloc[0]}. Published numbers, without intervals. Selection of the score: {rules}.",
        stub="Task" if real else "Method",
        columns=tuple(TableColumn(c, c if real else f"{c} {shown_range(ranges[c])}".strip()) for c in columns),
        rows=tuple(rows),
    )


def shown_range(text: str) -> str:
    """`/4` for a score from 0 to 4; `%` for a percentage of the full method."""
    return "%" if text == "percent of full" else f"/{text.split('-')[1]}"


def _number(text: str) -> float | None:
    if not text:
        return None
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)
