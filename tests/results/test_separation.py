"""Whether a column can separate encoders, on scores that are made to say so or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.results.options import Column, RowId
from benchmark.results.quality import resolution
from benchmark.results.separation import Separation, separation
from tests.fake_results import view_of
from tests.fake_settings import setting

PUSHT = Column("pusht", "mlp")


def of(records: pd.DataFrame, cells: pd.DataFrame, column: Column = PUSHT) -> Separation:
    return separation(view_of(records, cells), column)


def test_a_setting_with_a_high_ceiling_a_low_floor_and_little_noise_separates():
    found = of(*setting(state=0.8, random=0.1))
    assert (found.maximum, found.demonstrator, found.target) == (1.0, 0.95, 0.65)
    assert found.reaches is True
    assert found.not_below == []
    assert found.gap == pytest.approx(0.7)
    assert found.detectable < found.gap
    assert found.separates
    assert (found.episodes.low, found.episodes.high, found.seeds.low, found.seeds.high) == (40, 40, 3, 3)


def test_numbers_are_those_of_the_view():
    records, cells = setting(state=0.8, random=0.1, swing=0.05)
    view = view_of(records, cells)
    found = separation(view, PUSHT)
    assert found.ceiling == (RowId("state"), view.interval(PUSHT, RowId("state")))
    assert found.floors == ((RowId("random"), view.interval(PUSHT, RowId("random"))),)
    assert found.detectable == resolution(view, PUSHT)
    means = records[records.method == "random"].groupby("seed").score.mean()
    assert found.of_floor.row == RowId("random")
    assert found.of_floor.deviation == pytest.approx(np.std(means, ddof=1))


def test_the_median_row_is_a_trained_one():
    """Of byol 0.45, dynamo 0.6 and no_forward 0.2; of two, the lower."""
    records, cells = setting(state=0.8, random=0.1)
    assert of(records, cells).of_median_row.row == RowId("byol")
    two = records[~((records.method == "dynamo") & (records.variant == ""))]
    assert of(two, cells).of_median_row.row == RowId("dynamo", "no_forward")
    cells.loc[cells.variant == "no_forward", "untrained"] = True
    assert of(records, cells).of_median_row.row == RowId("byol")
    assert [floor.row for floor in of(records, cells).floors] == [RowId("random"), RowId("dynamo", "no_forward")]


def test_a_ceiling_misses_its_bar_below_it_and_can_separate_all_the_same():
    low = of(*setting(state=0.64, random=0.1))
    assert low.ceiling.interval.high > low.target, "it is the mean that counts"
    assert low.reaches is False
    assert low.not_below == []
    assert low.resolves
    assert low.separates
    exact = of(*setting(("kitchen",), state=0.75, random=0.1, noise=0.0), Column("kitchen", "mlp"))
    assert (exact.ceiling.interval.estimate, exact.target, exact.reaches) == (3.0, 3.0, True)


def test_intervals_that_touch_do_not_separate():
    found = of(*setting(state=0.7, random=0.665))
    assert found.reaches
    assert found.resolves
    assert found.not_below == [RowId("random")]
    assert not found.separates


def test_every_floor_has_to_lie_below_and_the_gap_is_to_the_highest():
    records, cells = setting(state=0.635, random=0.1)
    cells.loc[(cells.method == "dynamo") & (cells.variant == ""), "untrained"] = True
    found = of(records, cells)
    assert found.not_below == [RowId("dynamo")]
    assert found.gap == pytest.approx(0.635 - 0.6)


def test_noise_between_seeds_that_hides_the_gap_does_not_separate():
    found = of(*setting(state=0.95, random=0.05, seeds=2, episodes=100, swing=0.15))
    assert found.reaches
    assert found.not_below == []
    assert found.detectable > found.gap
    assert not found.separates


def test_one_seed_says_nothing_of_others():
    found = of(*setting(state=0.9, random=0.05, seeds=1))
    assert found.detectable is None
    assert found.of_floor == (RowId("random"), None)
    assert found.of_median_row == (RowId("byol"), None)
    assert found.reaches
    assert not found.separates


def test_without_ceiling_or_floor_nothing_is_claimed():
    records, cells = setting(state=0.8, random=0.1)
    blind = of(records[records.method != "state"], cells)
    assert (blind.ceiling, blind.reaches, blind.gap, blind.not_below, blind.separates) == (None, None, None, [], False)
    unsaid = of(records, cells.assign(state_target=None))
    assert (unsaid.target, unsaid.reaches, unsaid.separates) == (None, None, True)
    bottomless = of(records, cells.assign(floor=False, untrained=False))
    assert (bottomless.floors, bottomless.of_floor, bottomless.gap, bottomless.separates) == ((), None, None, False)
    nothing = of(records.iloc[:0], cells.assign(status="pending"))
    assert (nothing.seeds, nothing.episodes, nothing.of_median_row, nothing.separates) == (None, None, None, False)
