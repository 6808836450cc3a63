"""What results can show at all: rows that share seeds and episodes, and rows that do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.results import quality
from benchmark.results.options import Column, RowId
from benchmark.results.power import Components, detectable
from benchmark.results.view import ResultsView
from tests.fake_results import make, table_of, view_of

COLUMN, BYOL = Column("kitchen", "mlp"), RowId("byol")
Frames = tuple[pd.DataFrame, pd.DataFrame]


def kept(method: str, seeds: set[int], episodes: int = 10, seeds_of_all: int = 4) -> Frames:
    """`make`, of whose row only those seeds and so many episodes of each are left."""
    records, cells = make(seeds=seeds_of_all)
    other = records.method != method
    return records[other | (records.seed.isin(seeds) & (records.episode < episodes))], cells


def expected(view: ResultsView, seeds: int, episodes: int, level: float = 0.95) -> float:
    of_score = quality.variances(view, COLUMN)
    assert of_score is not None
    return detectable(of_score.of_difference(), seeds, episodes, level=level)


def test_a_difference_is_looked_for_on_what_two_rows_share() -> None:
    view = view_of(*kept("byol", {1, 2}, episodes=6))
    assert quality.in_common(view, COLUMN) == (2, 6)
    assert quality.resolution(view, COLUMN) == expected(view, 2, 6)


def test_rows_without_common_seeds_have_no_detectable_difference() -> None:
    """Two of each: the fewest seeds of a row are two, but none is in both."""
    records, cells = kept("byol", {0, 1})
    records = records[(records.method == "byol") | records.seed.isin({2, 3})]
    view = view_of(records, cells)
    assert quality.in_common(view, COLUMN)[0] == 0
    assert quality.resolution(view, COLUMN) is None
    cell = table_of("resolution", records, cells).column("mdd")["Franka Kitchen, mlp"]
    assert (cell.text, cell.notes) == ("—", ("two rows have fewer than two training seeds in common",))


def test_other_episodes_of_the_same_seeds_are_not_shared() -> None:
    records, cells = make()
    records.loc[(records.method == "byol") & (records.episode > 3), "episode_seed"] += 10_000
    assert quality.in_common(view_of(records, cells), COLUMN) == (3, 4)


def test_one_row_is_compared_with_its_like() -> None:
    records, cells = make()
    assert quality.in_common(view_of(records[records.method == "byol"], cells), COLUMN) == (3, 10)
    assert quality.in_common(view_of(records.iloc[:0], cells), COLUMN) == (0, 0)


def test_the_level_moves_what_can_be_resolved() -> None:
    records, cells = make()
    for level in (0.5, 0.99):
        view = view_of(records, cells, level=level)
        assert quality.resolution(view, COLUMN) == expected(view, 3, 10, level)


def test_scores_that_do_not_vary_say_nothing_of_differences() -> None:
    records, cells = make()
    for score in (records.method.eq("state") * 4.0, 0.1):  # a mean of 0.1 thrice differs from it by rounding
        view = view_of(records.assign(score=score), cells)
        assert quality.variances(view, COLUMN) == Components(0.0, 0.0)
        assert quality.resolution(view, COLUMN) is None
    assert quality.variances(view_of(records[records.episode == 0], cells), COLUMN) is None
    found = quality.variances(view_of(records.assign(score=1.0 * records.seed), cells), COLUMN)
    assert found == Components(pytest.approx(1.0), 0.0)  # type: ignore[arg-type]


def test_a_row_that_shares_no_episode_with_the_best_is_not_beaten_by_it() -> None:
    records, cells = make(seeds=5, episodes=40)
    view = view_of(records, cells)
    assert quality.best(view, COLUMN, view.rows) == {RowId("dynamo")}
    records.loc[records.method == "byol", "episode_seed"] += 10_000
    view = view_of(records, cells)
    assert view.compare(COLUMN, RowId("dynamo"), BYOL) is None
    assert quality.best(view, COLUMN, view.rows) == set(), "nothing is known of it, so nothing of the best"


def test_a_row_that_was_compared_with_nothing_says_why() -> None:
    records, cells = make()
    records.loc[records.method == "byol", "episode_seed"] += 10_000
    table = table_of("compare", records, cells, draws=200)
    assert table.column("difference")["byol"].text == "—"
    assert table.column("difference")["byol"].notes == ("no episode in common with random",)
    assert table.column("difference")["random"].notes == table.column("difference")["r3m"].notes == ()
    records["metric/held_out"] = records.episode % 2.0
    table = table_of("generalisation", records, cells, draws=200)
    assert table.column("difference")["byol"].notes == ("no episode in common with random",)
    assert np.isfinite(table.column("difference")["dynamo"].value)
