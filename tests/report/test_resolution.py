"""The table of what settings can show: its words, its reasons, and records of several settings in one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table, TableCell
from benchmark.report.tables import build
from benchmark.results.bundle import Results
from benchmark.results.export import export
from benchmark.results.options import Options
from tests.fake_results import table_of, view_of
from tests.fake_settings import setting

PUSHT = "Push-T, mlp"


def cell(table: Table, key: str, label: str = PUSHT) -> TableCell:
    return table.column(key)[label]


def test_a_setting_that_can_separate_encoders_shows_why():
    records, cells = setting(state=0.8, random=0.1, swing=0.05)
    table = table_of("resolution", records, cells)
    view = view_of(records, cells)
    assert (cell(table, "maximum").text, cell(table, "demonstrator").text) == ("1", "0.95")
    for key, method in (("ceiling/state", "state"), ("floor/random", "random")):
        shown, interval = cell(table, key), view.interval(view.column, next(r for r in view.rows if r.method == method))
        assert (shown.value, shown.low, shown.high) == (interval.estimate, interval.low, interval.high)
    assert (cell(table, "bar").text, cell(table, "met").text) == ("0.65", "yes")
    means = records.groupby(["method", "seed"]).score.mean()
    assert cell(table, "seed_sd/floor").value == pytest.approx(np.std(means["random"], ddof=1))
    assert cell(table, "seed_sd/floor").text.endswith(" (random)")
    assert cell(table, "seed_sd/median").value == pytest.approx(np.std(means["byol"], ddof=1))
    assert cell(table, "sample").text == "40 x 3"
    assert 0 < cell(table, "mdd").value < 0.7
    assert cell(table, "verdict").text == "can separate encoders"
    assert "Push-T: coverage, 40 episodes x 3 seeds" in table.caption
    assert "looks upwards only" in table.caption


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        ({"state": 0.6, "random": 0.1}, "can separate encoders, though state misses its bar"),
        ({"state": 0.7, "random": 0.665}, "cannot: the interval of state does not lie above that of random"),
        (
            {"state": 0.95, "random": 0.05, "seeds": 2, "swing": 0.053},
            "cannot: the MDD is not smaller than the gap of 0.90",
        ),
        ({"state": 0.9, "random": 0.05, "seeds": 1}, "cannot: no MDD: a row has one training seed"),
    ],
)
def test_a_verdict_says_what_stands_in_the_way_and_nothing_else(made, verdict):
    assert cell(table_of("resolution", *setting(**made)), "verdict").text == verdict


def test_a_difference_larger_than_the_scale_is_said_and_not_shown():
    records, cells = setting(state=0.95, random=0.05, seeds=2, swing=0.3, noise=0.3)
    shown = table_of("resolution", records, cells)
    assert (cell(shown, "mdd").text, cell(shown, "mdd").value) == ("—", None)
    assert cell(shown, "mdd").notes == ("the minimum detectable difference is larger than the scale",)
    assert "the minimum detectable difference is larger than the scale" in cell(shown, "verdict").text
    assert "Minimum detectable difference larger than the scale in Push-T (80 % power)." in shown.caption
    assert "told apart" not in shown.caption, "some rows may be: their own seeds may agree better"


def test_scores_that_never_vary_have_no_mdd():
    records, cells = setting(state=0.9, random=0.05)
    table = table_of("resolution", records.assign(score=records.method.eq("state").astype(float)), cells)
    assert cell(table, "verdict").text == "cannot: no MDD: the scores of a seed do not vary, or are of one episode"


def test_one_row_of_one_seed_is_enough_to_have_no_mdd():
    records, cells = setting(state=0.9, random=0.05)
    table = table_of("resolution", records[(records.method != "byol") | (records.seed == 0)], cells)
    assert cell(table, "sample").text == "40 x 1 to 3"
    assert cell(table, "mdd").notes == ("a row has one training seed",)


def test_all_obstacles_are_said():
    text = cell(table_of("resolution", *setting(state=0.3, random=0.3, seeds=1)), "verdict").text
    assert text == (
        "cannot: state misses its bar; the interval of state does not lie above that of random; "
        "no MDD: a row has one training seed"
    )


def test_a_spread_of_one_seed_is_a_dash_with_the_reason():
    table = table_of("resolution", *setting(state=0.9, random=0.05, seeds=1))
    for key in ("seed_sd/floor", "seed_sd/median"):
        assert (cell(table, key).text, cell(table, key).notes) == ("—", ("one training seed says nothing of other seeds",))
    assert (cell(table, "mdd").text, cell(table, "mdd").notes) == ("—", ("a row has one training seed",))
    assert cell(table, "seed_ranks").text == "—"
    assert cell(table, "seed_ranks").notes[0].startswith("fewer than 5 rows")


def test_seed_ranks_are_the_agreement_of_seeds():
    records, cells = setting(state=0.9, random=0.05, swing=0.01)
    more = [frame[frame.method == "byol"].assign(method="mae") for frame in (records, cells)]
    shown = table_of("resolution", pd.concat([records, more[0]]), pd.concat([cells, more[1]]))
    assert cell(shown, "seed_ranks").value == pytest.approx(1.0)
    assert "rank correlation of the scores of two training seeds 1.00" in shown.remarks[0]


def test_a_setting_without_ceiling_or_floor_is_shown_and_claims_nothing():
    records, cells = setting(state=0.9, random=0.05)
    blind = table_of("resolution", records[records.method != "state"], cells[cells.method != "state"])
    assert not any(column.key.startswith("ceiling/") for column in blind.columns)
    assert (cell(blind, "met").text, cell(blind, "bar").text) == ("—", "0.65")
    assert cell(blind, "verdict").text == "cannot: no row that sees the state has scores"
    unsaid = table_of("resolution", records, cells.assign(state_target=None))
    assert (cell(unsaid, "bar").text, cell(unsaid, "met").text) == ("—", "—")
    assert cell(unsaid, "verdict").text == "can separate encoders"
    trained = table_of("resolution", records, cells.assign(floor=False, untrained=False))
    assert cell(trained, "verdict").text == "cannot: no untrained row has scores"
    nothing = table_of("resolution", records.iloc[:0], cells.assign(status="pending", reason="not run yet"))
    assert cell(nothing, "verdict").text == "cannot: nothing has been run"
    assert cell(nothing, "ceiling/state").notes == ("pending: not run yet",)


def test_every_random_network_has_a_column_the_floor_first():
    records, cells = setting(state=0.9, random=0.05)
    cells.loc[cells.method == "byol", "untrained"] = True
    table = table_of("resolution", records, cells)
    assert [column.heading for column in table.columns if column.key.startswith("floor/")] == ["Floor: random", "Floor: byol"]


def test_a_crashed_episode_of_the_ceiling_is_said():
    records, cells = setting(state=0.9, random=0.05)
    records.loc[records.index[records.method == "state"][:2], ["crashed", "score"]] = [True, 0.0]
    assert "2 of 120 episodes crashed" in cell(table_of("resolution", records, cells), "ceiling/state").notes[0]


def test_several_settings_are_rows_of_one_table():
    push = setting(("pusht",), state=0.8, random=0.1, policies=("mlp", "knn"))
    kitchen = setting(("kitchen",), state=0.5, random=0.1)
    table = build("resolution", TableInputs(results=[view_of(*push), view_of(*kitchen)]))
    assert [row.label for row in table.rows] == [PUSHT, "Push-T, kNN (LWR)", "Franka Kitchen, mlp"]
    assert [cell(table, "met", row.label).text for row in table.rows] == ["yes", "yes", "no"]
    assert "Push-T: coverage" in table.caption
    assert "Franka Kitchen: tasks" in table.caption
    with pytest.raises(BenchmarkError, match="Push-T, mlp is in two of the records"):
        build("resolution", TableInputs(results=[view_of(*push), view_of(*push)]))


def test_bars_are_of_the_mean_score():
    made = setting(state=0.9, random=0.05)
    for choice in (Options(metric="metric/raw"), Options(statistic="iqm")):
        with pytest.raises(BenchmarkError, match="bars are stated for the mean score"):
            build("resolution", TableInputs(choice, [view_of(*made)]))


def exported(folder: Path, made: tuple[pd.DataFrame, pd.DataFrame], *overrides: str) -> Path:
    records, cells = made
    names = {"methods": ["all"], "envs": sorted(set(cells.env)), "policies": ["mlp"], "seeds": 3, "first_seed": 0}
    request = {**names, "preset": "quick", "overrides": list(overrides)}
    export(Results(records, cells, provenance={"request": request, "cells": [], "stages": {}, "provenance": []}), folder)
    return folder


def test_records_of_several_settings_are_told_apart_and_seeds_of_one_are_joined(tmp_path, capsys):
    made = setting(("pusht",), state=0.8, random=0.1)
    seeds = [tuple(frame[frame.seed.isin(chosen)] for frame in made) for chosen in ((0,), (1, 2))]
    folders = [
        exported(tmp_path / "kitchen", setting(("kitchen",), state=0.5, random=0.1)),
        exported(tmp_path / "first", seeds[0], "env.pusht.episodes=206"),
        exported(tmp_path / "others", seeds[1], "env.pusht.episodes=206"),
    ]
    flags = [flag for folder in folders for flag in ("--records", str(folder))]
    assert main(["table", "resolution", "--format", "csv", *flags]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("setting,kind,maximum,demonstrator,ceiling/state,")
    assert [line.split('"')[1] for line in lines] == ["Franka Kitchen, mlp", PUSHT]
    assert ",40 x 3," in lines[1]
    assert "can separate encoders" in lines[1]
    other = exported(tmp_path / "other", seeds[0], "env.pusht.episodes=64")
    assert main(["table", "resolution", *flags, "--records", str(other)]) == 2
    assert "in two of the records, made with other settings" in capsys.readouterr().err


def test_help_lists_the_table(capsys):
    with pytest.raises(SystemExit):
        main(["table", "--help"])
    assert "resolution" in capsys.readouterr().out
