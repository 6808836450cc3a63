"""The command that a row says it comes from."""

from __future__ import annotations

import shlex

from benchmark.report.reproduce import command
from benchmark.results.options import Column, RowId

REQUEST = {"seeds": 2, "preset": "quick", "overrides": ["fit.steps=3", "method.dynamo.lr=0.1", "policy.knn.k=2"]}


def typed(**changes: object) -> list[str]:
    return shlex.split(command({**REQUEST, **changes}, Column("pusht", "knn"), RowId("byol")))


def test_seeds_begin_where_they_began() -> None:
    words = typed(first_seed=3)
    assert words[words.index("--first-seed") + 1] == "3"
    assert words[words.index("--seeds") + 1] == "2"
    assert "--first-seed" not in typed(first_seed=0)
    assert "--first-seed" not in typed(), "requests of earlier versions began at 0"


def test_only_settings_that_concern_the_row_are_named() -> None:
    assert typed()[-2:] == ["fit.steps=3", "policy.knn.k=2"]
