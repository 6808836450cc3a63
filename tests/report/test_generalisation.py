"""The table of what was seen and what was held out: means by hand, the gap and the comparison, what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.results.generalisation import MARK, halves
from benchmark.results.options import Column, RowId
from tests.fake_results import make, table_of, view_of

QUICK = {"draws": 2000}
COLUMN = Column("pusht", "mlp")


def marked(lost: float = 0.3, seeds: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Push-T, where every second episode is held out and there `dynamo` scores so much less."""
    records, cells = make(("pusht",), seeds=seeds, episodes=40)
    held_out = records.episode % 2 == 1
    records[MARK] = held_out.astype(float)
    records.loc[held_out & (records.method == "dynamo"), "score"] -= lost
    records.score = records.score.clip(0, 1)
    return records, cells


def test_both_kinds_have_their_own_mean_and_interval() -> None:
    records, cells = marked()
    table = table_of("generalisation", records, cells, **QUICK)
    ours = records[(records.method == "dynamo") & (records.variant == "")]
    for key, kind in (("seen", 0.0), ("unseen", 1.0)):
        cell = table.column(key)["dynamo"]
        assert cell.value == pytest.approx(ours[ours[MARK] == kind].score.mean())
        assert cell.low < cell.value < cell.high
    gap = table.column("gap")["dynamo"]
    assert gap.value == pytest.approx(table.column("unseen")["dynamo"].value - table.column("seen")["dynamo"].value)
    assert gap.high < 0
    other = table.column("gap")["byol"]
    assert other.low < 0 < other.high
    assert (table.rows[0].kind, table.rows[-1].kind) == ("ceiling", "floor")


def test_the_comparison_with_the_floor_is_on_held_out_episodes() -> None:
    records, cells = marked(lost=0.6)
    table = table_of("generalisation", records, cells, **QUICK)
    unseen = records[records[MARK] == 1.0]
    means = unseen[unseen.variant == ""].groupby("method").score.mean()
    assert table.column("difference")["dynamo"].value == pytest.approx(means["dynamo"] - means["random"])
    assert (
        table.column("difference")["dynamo"].value < 0 < table_of("compare", records, cells).column("difference")["state"].value
    )
    assert table.column("p")["random"].text == "—"


def test_small_p_values_are_said_as_compare_says_them() -> None:
    records, cells = marked()
    records.loc[records.method == "state", "score"] = 0.9 + 0.01 * (records.episode % 4)
    records.loc[records.method == "random", "score"] = 0.1 + 0.01 * records.seed
    for name in ("generalisation", "compare"):
        assert table_of(name, records, cells, **QUICK).column("p")["state"].text == "<0.001"


def test_the_gap_s_interval_covers_the_truth() -> None:
    """60 data sets of three seeds x 2 x 30 episodes whose true gap is -0.2."""
    rng, inside = np.random.default_rng(0), 0
    records, cells = marked(0.0)
    row = RowId("byol", "")
    ours = (records.method == "byol") & (records.variant == "")
    for _ in range(60):
        rate = np.where(records[MARK][ours] == 1.0, 0.4, 0.6)
        records.loc[ours, "score"] = (rng.random(int(ours.sum())) < rate).astype(float)
        gap = halves(view_of(records[ours], cells, draws=200)).gap(COLUMN, row)
        assert gap is not None
        inside += gap.low <= -0.2 <= gap.high
    assert inside >= 53


def test_crashed_episodes_are_counted_and_left_out() -> None:
    records, cells = marked()
    records.loc[records.index[:3], MARK] = np.nan
    table = table_of("generalisation", records, cells, **QUICK)
    assert "3 crashed episodes" in table.caption


def test_where_nothing_is_held_out_it_says_so() -> None:
    with pytest.raises(BenchmarkError, match="its scores lack"):
        table_of("generalisation", *make(("pusht",)), **QUICK)
