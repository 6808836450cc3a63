"""One view for many tables: what it shares, and what it must not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.container import BarContainer

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report import figures
from benchmark.results import quality, statistics
from benchmark.results.options import Column, Options, RowId
from tests.fake_results import make, table_of, view_of

COLUMN, BYOL, DYNAMO = Column("kitchen", "mlp"), RowId("byol"), RowId("dynamo")


@pytest.mark.parametrize(
    "change", [{"level": 0.8}, {"draws": 500}, {"seed": 1}, {"statistic": "iqm"}, {"metric": "metric/squared"}], ids=str
)
def test_options_that_change_a_number_are_not_served_an_old_one(change):
    records, cells = make()
    records["metric/squared"] = records.score**2
    view = view_of(records, cells, draws=200)
    before = view.interval(COLUMN, BYOL), view.compare(COLUMN, BYOL, DYNAMO), view.ratio(COLUMN, BYOL, DYNAMO)
    drawn = bool(change.keys() & {"draws", "seed"})  # an interval of a mean and a comparison of two draw nothing
    options = replace(view.options, **change)
    shared, fresh = view.with_options(options), view_of(records, cells, draws=200).with_options(options)
    assert shared.interval(COLUMN, BYOL) == fresh.interval(COLUMN, BYOL)
    assert (shared.interval(COLUMN, BYOL) == before[0]) == drawn
    assert shared.compare(COLUMN, BYOL, DYNAMO) == fresh.compare(COLUMN, BYOL, DYNAMO)
    assert shared.ratio(COLUMN, BYOL, DYNAMO) == fresh.ratio(COLUMN, BYOL, DYNAMO)
    assert shared.ranks(COLUMN) == fresh.ranks(COLUMN)
    assert shared.improvement(COLUMN, BYOL, DYNAMO) == fresh.improvement(COLUMN, BYOL, DYNAMO)
    assert view.interval(COLUMN, BYOL) == before[0], "the options of a view stay its own"
    if "statistic" not in change:
        assert shared.ratio(COLUMN, BYOL, DYNAMO) != before[2]
        assert (shared.compare(COLUMN, BYOL, DYNAMO) == before[1]) == drawn


def test_choosing_another_column_computes_nothing_again(monkeypatch):
    view = view_of(*make(("kitchen", "pusht")), draws=200)
    before = view.interval(COLUMN, BYOL)
    ratio = view.ratio(COLUMN, BYOL, DYNAMO)
    monkeypatch.setattr(statistics, "replicates", None)
    other = view.with_options(replace(view.options, env="pusht", holm=True, source="both"))
    assert other.column == Column("pusht", "mlp")
    assert other.interval(COLUMN, BYOL) == before
    assert other.ratio(COLUMN, BYOL, DYNAMO) == ratio
    with pytest.raises(TypeError):
        other.ratio(COLUMN, DYNAMO, BYOL)


def test_numbers_are_those_of_the_statistics():
    records, cells = make()
    view = view_of(records, cells, draws=200)
    of = {row: records[(records.method == row.method) & (records.variant == "")] for row in (BYOL, DYNAMO)}
    groups = {row: [part.score.to_numpy() for _, part in frame.groupby("seed")] for row, frame in of.items()}
    expected = statistics.interval(groups[BYOL], view._rng("interval", *COLUMN, *BYOL), bounds=(0, 4), draws=200)
    assert view.interval(COLUMN, BYOL) == expected
    assert view.compare(COLUMN, BYOL, DYNAMO) == statistics.compare(*groups.values(), bounds=(0, 4))
    assert view.interval(COLUMN, RowId("r3m")) is None
    assert view.compare(COLUMN, BYOL, RowId("r3m")) is None
    with pytest.raises(UnknownName):
        view.with_options(Options(metric="metric/none"))


def test_the_floor_is_what_cells_call_one():
    records, cells = make()
    assert view_of(records, cells).floor == RowId("random")
    other = view_of(records, cells.assign(floor=cells.method == "byol"))
    assert other.floor == other.rows[-1] == RowId("byol")
    assert other.kind(RowId("random")) == "row"
    assert view_of(records, cells.assign(floor=False)).floor is None


def test_a_row_without_results_in_one_column_has_them_in_another():
    records, cells = make(("kitchen", "pusht"))
    gone = (records.env == "pusht") & (records.method == "byol")
    view = view_of(records[~gone], cells, draws=200)
    assert view.interval(Column("pusht", "mlp"), BYOL) is None
    assert view.interval(COLUMN, BYOL) is not None
    assert len(view.cell_rows(Column("pusht", "mlp"), BYOL)) == 3
    pd.testing.assert_index_equal(view.cell_rows(Column("pusht", "knn"), BYOL).columns, view.cells.columns)


@pytest.mark.parametrize("change", ["none", "order", "one lacks an episode", "another episode"])
def test_rows_are_compared_on_the_episodes_that_both_faced(change):
    records, cells = make(seeds=2, episodes=4)
    byol = records.method == "byol"
    if change == "order":
        records = records.sample(frac=1.0, random_state=0)
    elif change == "one lacks an episode":
        records = records.drop(records[byol].index[1])
    elif change == "another episode":
        records.loc[records[byol].index[1], "episode_seed"] = 99
    on = ["seed", "episode", "episode_seed"]
    rows = [records[(records.method == name) & (records.variant == "")] for name in ("byol", "dynamo")]
    joined = rows[0].merge(rows[1], on=on).sort_values(on)
    ours, theirs = view_of(records, cells).paired(COLUMN, BYOL, DYNAMO)
    for found, column in ((ours, "score_x"), (theirs, "score_y")):
        assert [group.tolist() for group in found] == [part[column].tolist() for _, part in joined.groupby("seed")]


def test_an_episode_that_crashed_has_the_lowest_value_of_its_environments_own_metric():
    records, cells = make()
    cells = cells.assign(metric="reward", metric_low=-1.0)
    records["metric/reward"] = records.score
    lost = records.index[records.method == "byol"][:2]
    records.loc[lost, "metric/reward"] = float("nan")
    records.loc[lost, ["score", "crashed"]] = [-1.0, True]
    assert view_of(records, cells, metric="metric/reward").groups(COLUMN, BYOL)[0][:2].tolist() == [-1.0, -1.0]


def test_records_need_not_say_what_crashed():
    records, cells = make()
    for without in (
        records.drop(columns="crashed"),
        records.assign(crashed=None),
        records.drop(columns=["crashed", "error", "steps"]),
    ):
        view = view_of(without, cells)
        assert quality.condition(view, COLUMN, BYOL).crashed == 0
        assert view.interval(COLUMN, BYOL) == view_of(records, cells).interval(COLUMN, BYOL)
        for name in ("main", "tasks", "compare", "cost", "power", "resolution"):
            assert table_of(name, without, cells, draws=200) == table_of(name, records, cells, draws=200)


def test_a_metric_that_only_some_rows_have_is_a_dash_elsewhere():
    records, cells = make()
    records.loc[records.method == "byol", "metric/task/kettle"] = float("nan")
    table = table_of("tasks", records, cells)
    assert table.column("metric/task/kettle")["byol"].text == "—" != table.column("metric/task/slide cabinet")["byol"].text
    assert table.column("metric/task/kettle")["byol"].notes == ("not recorded for this row",)
    bars = figures.task_bars(view_of(records, cells)).axes[0]
    assert len(next(one for one in bars.containers if isinstance(one, BarContainer))) == 4
    assert len(bars.get_yticklabels()) == 5


def of_one_task() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results of episodes that ask for one task each."""
    records, cells = make(episodes=12)
    kettle = records.episode % 3 == 0
    records["metric/task/kettle"] = records["metric/task/kettle"].where(kettle)
    records["metric/task/slide cabinet"] = records["metric/task/slide cabinet"].mask(kettle)
    return records, cells


def test_a_task_is_judged_in_the_episodes_that_ask_for_it():
    records, cells = of_one_task()
    asked = records[records["metric/task/kettle"].notna()].rename(columns={"metric/task/kettle": "kettle"})
    ours, theirs = (asked[asked.method == name].kettle for name in ("byol", "state"))
    assert table_of("tasks", records, cells).column("metric/task/kettle")["byol"].value == pytest.approx(ours.mean())
    view = view_of(records, cells, metric="metric/task/kettle")
    assert [len(group) for group in view.groups(COLUMN, BYOL)] == [4, 4, 4]
    compared = view.compare(COLUMN, BYOL, RowId("state"))
    assert compared is not None
    assert compared.difference.estimate == pytest.approx(ours.mean() - theirs.mean())


def test_a_crashed_episode_has_failed_in_the_task_that_it_names():
    records, cells = of_one_task()
    fell = (records.method == "byol") & (records.episode == 3)
    records.loc[fell, ["crashed", "metric/task/kettle"]] = True, 0.0
    rates = table_of("tasks", records, cells)
    for task in ("kettle", "slide cabinet"):
        said = records[records.method == "byol"][f"metric/task/{task}"].dropna()
        assert rates.column(f"metric/task/{task}")["byol"].value == pytest.approx(said.mean())
    records.loc[fell, "metric/task/kettle"] = float("nan")  # as older records have it
    older = table_of("tasks", records, cells).column("metric/task/slide cabinet")["byol"].value
    assert older == pytest.approx(records[records.method == "byol"]["metric/task/slide cabinet"].sum() / 27)


def test_a_metric_that_only_some_episodes_of_a_row_have_is_not_shown_as_the_rows():
    records, cells = make()
    partly = (records.method == "byol") & (records.seed == 1)
    for name in ("metric/raw", "metric/task/kettle"):
        records.loc[partly, name] = float("nan")
    with pytest.raises(BenchmarkError, match="10 episodes have no metric/raw, which others of their row have"):
        view_of(records, cells, metric="metric/raw")
    said = records[(records.method == "byol") & ~partly]["metric/task/kettle"].mean()
    assert table_of("tasks", records, cells).column("metric/task/kettle")["byol"].value == pytest.approx(said)
