"""Ours against published numbers: what cannot be held against them, and the order of the methods."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmark.results.options import Column, RowId
from benchmark.results.published import TABLES, paper_column
from benchmark.results.versus_paper import differences, order
from tests.fake_results import make, view_of

COLUMN = Column("pusht", "vqbet")
PAPER = paper_column(TABLES["main"], COLUMN)


def test_another_metric_or_statistic_cannot_be_compared() -> None:
    made = make(("pusht",), ("vqbet",), preset="paper", demonstrations="206 human")
    entry = PAPER.entry("dynamo")
    assert entry is not None
    assert not differences(view_of(*made), PAPER, RowId("dynamo"), entry)
    for choice in ({"metric": "metric/raw"}, {"statistic": "iqm"}):
        why = differences(view_of(*made, **choice), PAPER, RowId("dynamo"), entry)
        assert why
        assert why.other_metric


def test_the_order_is_that_of_pairs_of_the_same_method() -> None:
    """Five rows that score what the paper prints, in another order; those that it lacks count for nothing."""
    names = ["mae", "dynamo", "byol", "moco_v3", "random"]
    records, cells = make(("pusht",), ("vqbet",), seeds=1, episodes=2)
    frames = []
    for frame in (records, cells):
        mine = frame[frame.method == "byol"]
        frames.append([mine.assign(method=name) for name in ["state", *names]])
    for name, part in zip(["state", *names], frames[0], strict=True):
        part["score"] = 0.0 if name == "state" else PAPER.entry(name).value  # type: ignore[union-attr]
    view = view_of(*map(pd.concat, frames))
    found = order(view, PAPER, view.rows)
    assert found.rows == 5
    assert found.correlation is not None
    assert found.correlation.estimate == pytest.approx(1.0)
