"""Probes and scores over pretraining budgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.report import figures
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables import build
from benchmark.results.bundle import Results
from benchmark.results.export import export
from benchmark.results.options import Options
from benchmark.results.view import ResultsView
from tests.fake_results import make

FAST = Options(draws=200)


def after(frames: int, seeds: int = 2):
    """Results in which the probe of a trained row is its frames in millions; that of the floor is 0.4."""
    records, cells = make(seeds=seeds, episodes=6)
    trained = cells.gradient_steps > 0
    cells.loc[trained, "frames_seen"] = frames
    cells["probe_linear"] = (cells.frames_seen / 1e6).where(trained, 0.4) + 0.02 * cells.seed
    return Results(records, cells)


def budgets(parts: list[Results]) -> Table:
    return build("budgets", TableInputs(FAST, [ResultsView(part) for part in parts]))


def test_each_budget_has_a_column_in_rising_order():
    table = budgets([after(60_000), after(15_000, seeds=1)])
    assert [column.heading for column in table.columns] == ["Probe R², 15k", "Probe R², 60k", "Score, 15k", "Score, 60k"]
    assert table.column("probe/15000")["byol"].text == "0.01"  # 0.015
    assert table.column("probe/60000")["byol"].value == pytest.approx(0.07)
    assert (table.column("probe/60000")["byol"].low, table.column("probe/60000")["byol"].high) == pytest.approx((0.06, 0.08))
    assert table.column("probe/15000")["random"].value == pytest.approx(0.4)
    assert table.column("score/60000")["r3m"].text == "—"
    assert "6 episodes x 2 seeds" in table.caption
    assert "At 15k frames: Franka Kitchen: tasks, 6 episodes x 1 seed" in table.caption
    assert "At 15k frames" not in budgets([after(60_000), after(15_000)]).caption
    assert (table.rows[0].label, table.rows[-1].label) == ("state", "random")


def test_a_collapsed_row_says_so_after_each_budget():
    large = after(60_000)
    large.cells.loc[(large.cells.method == "byol") & (large.cells.seed == 1), "collapsed"] = True
    table = budgets([after(15_000), large])
    assert table.column("score/60000")["byol"].notes[0].startswith("seed 1 collapsed")
    assert table.column("score/15000")["byol"].notes == ()


def test_an_encoder_that_its_policy_went_on_to_train_has_another_budget():
    parts = []
    for frames in (60_000, 15_000):
        part = after(frames)
        part.cells.loc[part.cells.variant == "no_forward", ["finetuned", "frames_seen"]] = [True, 500_000]
        parts.append(part)
    assert [column.heading for column in budgets(parts).columns][:2] == ["Probe R², 15k", "Probe R², 60k"]


def test_a_score_of_one_seed_is_marked_beside_those_of_several():
    table = budgets([after(60_000), after(15_000, seeds=1)])
    assert table.column("score/15000")["byol"].notes[0].startswith("one training seed")
    assert table.column("score/60000")["byol"].notes == ()


def test_budgets_that_do_not_differ_and_single_ones_are_refused():
    with pytest.raises(BenchmarkError, match="once for each"):
        budgets([after(60_000)])
    with pytest.raises(BenchmarkError, match="60k frames each"):
        budgets([after(60_000), after(60_000)])
    elsewhere = after(15_000)
    for frame in (elsewhere.records, elsewhere.cells):
        frame["env"] = "pusht"
    with pytest.raises(BenchmarkError, match="these are of kitchen with mlp, pusht with mlp"):
        budgets([after(60_000), elsewhere])
    uneven = after(60_000)
    uneven.cells.loc[uneven.cells.method == "byol", "frames_seen"] = 30_000
    with pytest.raises(BenchmarkError, match="30k to 60k frames"):
        budgets([after(15_000), uneven])
    with pytest.raises(BenchmarkError, match="nothing was pretrained"):
        budgets([after(15_000), replace(uneven, cells=uneven.cells[uneven.cells.method == "random"])])


def test_the_figure_has_a_panel_per_trained_row_and_the_floor_in_each():
    figure = figures.over_budgets([ResultsView(after(frames), FAST) for frames in (60_000, 15_000)])
    shown = {axes.get_title(): axes for axes in figure.axes if axes.axison}
    assert set(shown) == {"byol", "dynamo", "dynamo:no_forward"}
    for axes in shown.values():
        dashed, *lines = axes.get_lines()
        assert list(dashed.get_ydata()) == pytest.approx([0.41, 0.41])  # over seeds
        assert len(lines) == 3  # two seeds and their mean
        assert list(lines[-1].get_xdata()) == [15_000, 60_000]
        assert list(lines[-1].get_ydata()) == pytest.approx([0.025, 0.07])


def test_the_table_is_made_from_exported_records(tmp_path, capsys):
    flags = []
    for frames in (60_000, 15_000):
        folder = tmp_path / str(frames)
        export(after(frames), folder)
        flags += ["--records", str(folder)]
    assert main(["table", "budgets", "--format", "md", *flags]) == 0
    assert "| Probe R², 15k | Probe R², 60k |" in capsys.readouterr().out
    assert main(["table", "budgets", *flags, "fit.steps=3"]) == 2
    assert "--records takes none" in capsys.readouterr().err
    assert main(["table", "budgets", "--home", str(tmp_path)]) == 2
    assert "once for each" in capsys.readouterr().err
