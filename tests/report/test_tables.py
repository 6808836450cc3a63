"""Tables of small made-up results: the numbers against the statistics directly, and everything that a table must not hide."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report import tables
from benchmark.report.inputs import TableInputs
from benchmark.report.render import render
from benchmark.report.tables import names
from benchmark.results import quality
from benchmark.results.options import Column
from tests.fake_results import MEANS, make, table_of, view_of

QUICK = {"draws": 2000}


def test_main_shows_means_intervals_and_costs():
    records, cells = make()
    table = table_of("main", records, cells, **QUICK)
    cell = table.column("kitchen/mlp")["byol"]
    scores = records[records.method == "byol"].score
    assert cell.value == pytest.approx(scores.mean())
    assert cell.low < cell.value < cell.high
    assert cell.text == f"{cell.value:.2f} [{cell.low:.2f}, {cell.high:.2f}]"
    assert table.column("frames_seen")["byol"].text == "40k"
    assert table.column("wall_seconds")["byol"].text == "2 min 05 s"
    for stated in ("10 episodes x 3 seeds", "95 % interval", "Checkpoint: last", "64 scripted", "Preset: quick", "Policy mlp"):
        assert stated in table.caption


def test_a_visual_shift_stands_over_its_column():
    records, cells = make()
    heading = {column.key: column.heading for column in table_of("main", records, cells, **QUICK).columns}["kitchen/mlp"]
    assert "shift" not in heading
    shifted = table_of("main", records, cells.assign(visual_shift="medium in rollouts"), **QUICK)
    heading = {column.key: column.heading for column in shifted.columns}["kitchen/mlp"]
    assert heading == "Franka Kitchen /4, shift medium in rollouts"


def test_ceiling_comes_first_and_floor_last():
    table = table_of("main", *make(), **QUICK)
    assert [(row.label, row.kind) for row in table.rows][:: len(table.rows) - 1] == [("state", "ceiling"), ("random", "floor")]
    assert {row.kind for row in table.rows[1:-1]} == {"row"}


def test_nothing_run_yet_is_a_table_of_dashes():
    records, cells = make()
    cells = cells.drop(columns=["frames_seen", "collapsed", "wall_seconds"]).assign(status="pending", reason="not run yet")
    table = table_of("main", records.iloc[:0], cells, **QUICK)
    assert {cell.text for row in table.rows for cell in row.cells} == {"—"}
    assert table.notes == ["pending: not run yet"]
    assert "no episodes yet" in table.caption
    assert "One training seed" not in table.caption
    with pytest.raises(BenchmarkError, match="no cells"):
        table_of("main", records, cells.iloc[:0])


def test_rows_of_different_arithmetic_are_told_apart():
    """The number of threads, the instruction set and the precision are on no key, and change numbers."""
    records, cells = make()
    alike = cells.assign(computed_with="AVX512, 2 threads; bf16")
    alike.loc[alike.method == "random", "computed_with"] = "AVX512, 2 threads"
    assert "arithmetic" not in table_of("main", records, alike).caption
    assert "arithmetic" not in table_of("main", records, cells).caption, "records of an earlier version do not say"
    for other in ("AVX512, 1 threads; bf16", "AVX2, 2 threads; bf16", "AVX512, 2 threads; fp32"):
        mixed = alike.copy()
        mixed.loc[mixed.method == "dynamo", "computed_with"] = other
        assert "Computed with different arithmetic (" in table_of("main", records, mixed).caption


def test_a_table_says_in_which_network_its_rows_differ():
    records, cells = make(("kitchen", "pusht"))
    ours, theirs = "ResNet-18 of width 16, frames as they are", "timm's resnet34, frames at 112 px"
    alike = cells.assign(encoder=ours, encoder_params=700_000)
    same = f"and so is the network: {ours} (700k parameters)."
    assert same in " ".join(table_of("main", records, alike).remarks)
    other = alike.copy()
    other.loc[other.method == "byol", ["encoder", "encoder_params"]] = theirs, 21_300_000
    [note] = [note for note in table_of("main", records, other).remarks if "network" in note]
    assert f"The network is not: {theirs} (21.3M parameters): byol; " in note
    assert f"{ours} (700k parameters): dynamo, dynamo:no_forward, random" in note
    assert "state" not in note, "the ceiling looks at no frame"
    two = other.copy()
    two.loc[(two.method == "byol") & (two.env == "pusht"), ["encoder", "encoder_params"]] = ours, 700_000
    [note] = [note for note in table_of("main", records, two).remarks if "network" in note]
    assert " or ".join(sorted([f"{ours} (700k parameters)", f"{theirs} (21.3M parameters)"], reverse=True)) + ": byol" in note
    assert not any("network" in note for note in table_of("main", records, cells).remarks), "earlier records do not say"


def test_tables_say_what_they_could_resolve():
    records, cells = make()
    size = quality.resolution(view_of(records, cells), Column("kitchen", "mlp"))
    assert (
        f"Minimum detectable difference {size:.2f} in Franka Kitchen (80 % power)."
        in table_of("main", records, cells, **QUICK).caption
    )
    assert "Budget-limited (preset quick)" in table_of("main", records, cells, **QUICK).caption
    both = view_of(*make(policies=("mlp", "knn")))
    sizes = [
        f"{quality.resolution(both, Column('kitchen', policy)):.2f} in Franka Kitchen with {policy}"
        for policy in ("mlp", "knn")
    ]
    assert ", ".join(sizes) in table_of("policies", *make(policies=("mlp", "knn")), **QUICK).caption
    assert "Budget-limited (preset quick+mine)" in table_of("main", *make(preset="quick+mine"), **QUICK).caption
    assert "the intervals cover episodes only" in table_of("main", *make(seeds=1), **QUICK).caption


def test_larger_presets_say_what_they_could_resolve_and_that_alone():
    records, cells = make(preset="standard")
    size = quality.resolution(view_of(records, cells), Column("kitchen", "mlp"))
    caption = table_of("main", records, cells, **QUICK).caption
    assert f"Preset: standard. Minimum detectable difference {size:.2f} in Franka Kitchen (80 % power)." in caption
    assert "Budget-limited" not in caption
    assert "Minimum detectable" not in table_of("tasks", records, cells).caption, "that is one of scores, not of rates"


def test_the_wall_time_of_a_seed_is_that_of_all_columns_and_frames_their_range():
    records, cells = make(("kitchen", "pusht"))
    cells.loc[cells.env == "pusht", ["wall_seconds", "frames_seen"]] = [60.0, 80_000]
    table = table_of("main", records, cells, **QUICK)
    kitchen = cells[(cells.env == "kitchen") & (cells.method == "byol")].wall_seconds.mean()
    assert table.column("wall_seconds")["byol"].value == pytest.approx(kitchen + 60)
    assert table.column("frames_seen")["byol"].text == "40k to 80k"


def test_a_number_does_not_depend_on_what_else_is_shown():
    records, cells = make(("kitchen", "pusht"))
    whole = table_of("main", records, cells, **QUICK).column("kitchen/mlp")["dynamo"]
    few = cells[cells.method.isin(["dynamo", "random"]) & (cells.env == "kitchen")]
    alone = table_of("main", records[records.method == "dynamo"].sample(frac=1, random_state=0), few, **QUICK)
    other = alone.column("kitchen/mlp")["dynamo"]
    assert (whole.value, whole.low, whole.high) == (other.value, other.low, other.high)


def test_bold_is_the_best_row_and_what_is_not_distinguishable_from_it():
    records, cells = make(("pusht",), seeds=5, episodes=40)
    cells_of = table_of("main", records, cells, **QUICK).column("pusht/mlp")
    assert cells_of["dynamo"].strong
    assert not cells_of["state"].strong  # not a competitor
    assert not cells_of["dynamo:no_forward"].strong
    twin = records[(records.method == "dynamo") & (records.variant == "")].assign(method="byol")
    records = pd.concat([records[records.method != "byol"], twin])
    assert table_of("main", records, cells, **QUICK).column("pusht/mlp")["byol"].strong


def test_iqm_and_other_metrics():
    records, cells = make()
    records["metric/raw"] = records.score * 10
    raw = table_of("main", records, cells, metric="metric/raw", **QUICK)
    assert raw.column("kitchen/mlp")["byol"].value == pytest.approx(10 * records[records.method == "byol"].score.mean())
    assert "kitchen: raw" in raw.caption.lower()
    records.loc[records.method == "byol", "metric/raw"] = np.nan
    absent = table_of("main", records, cells, metric="metric/raw", **QUICK).column("kitchen/mlp")["byol"]
    assert (absent.text, absent.notes) == ("—", ("metric/raw is not recorded here",))
    middle = table_of("main", records, cells, statistic="iqm", **QUICK)
    assert "Interquartile mean" in middle.caption
    assert (
        middle.column("kitchen/mlp")["byol"].value
        != table_of("main", records, cells, **QUICK).column("kitchen/mlp")["byol"].value
    )
    with pytest.raises(UnknownName, match="did you mean metric/raw"):
        table_of("main", records, cells, metric="metric/rav")


def test_both_says_why_numbers_cannot_be_compared():
    table = table_of("main", *make(), source="both", **QUICK)
    status = table.column("kitchen/mlp/status")["dynamo"]
    assert status.text == "not comparable"
    for reason in ("other policy (mlp", "64 scripted; published 566 human", "pretrain.frames=15000 (paper: 40 epochs)"):
        assert reason in status.notes[0]
    assert table.column("kitchen/mlp/published")["dynamo"].text == "3.64"
    assert table.column("kitchen/mlp/published")["MoCo-v3"].text == "3.28"  # a row that ours lack
    assert table.column("kitchen/mlp")["MoCo-v3"].notes == ("not part of this run",)
    assert table.column("kitchen/mlp/published")["state"].text == "—"
    assert "rank correlation with the published column" in table.remarks[0]


def ranked(*scores_by_seed):
    """Records and cells of one row per letter, whose scores are given for each seed."""
    records, cells = make(seeds=len(scores_by_seed))
    pattern = (records.method == "byol", cells.method == "byol")
    made = [[], []]
    for index, scores in enumerate(zip(*scores_by_seed, strict=True)):
        for frame, chosen, rows in zip((records, cells), pattern, made, strict=True):
            rows.append(frame[chosen].assign(method="abcdefgh"[index]))
        for seed, score in enumerate(scores):
            made[0][-1].loc[made[0][-1].seed == seed, "score"] = float(score)
    return tuple(map(pd.concat, made))


def test_remarks_say_whether_training_seeds_rank_the_rows_alike():
    swapped = ranked([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])  # 1 - 6 * 2 / (5 * 24)
    for name, options in (("main", {}), ("compare", {"reference": "a"})):
        (remark,) = [text for text in table_of(name, *swapped, **QUICK, **options).remarks if "rank correlation" in text]
        assert remark == "Franka Kitchen, policy mlp: rank correlation of the scores of two training seeds 0.90 over 5 rows."
    three = table_of("main", *ranked([1, 2, 3, 4, 5], [1, 2, 3, 5, 4], [1, 2, 3, 4, 5]), **QUICK)
    assert "seeds 0.93 (mean of 3 pairs) over 5 rows" in three.remarks[0]
    for nothing in (ranked([1, 2, 3, 4, 5]), ranked([1, 2, 3, 4], [1, 2, 3, 4]), ranked([1, 2, 3, 4, 5], [1, 1, 1, 1, 1])):
        assert not any("rank correlation" in text for text in table_of("main", *nothing, **QUICK).remarks)


def test_seeds_are_compared_over_the_rows_that_they_share():
    records, cells = ranked([1, 2, 3, 4, 5, 0], [1, 2, 3, 5, 4, 9])
    records = records[~((records.method == "f") & (records.seed == 1))]
    assert "0.90 over 5 rows" in table_of("main", records, cells, **QUICK).remarks[0]
    records, cells = ranked([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])
    records = records[~((records.method == "a") & (records.seed == 2))]
    assert "1.00 (mean of 3 pairs) over 5 to 6 rows" in table_of("main", records, cells, **QUICK).remarks[0]


@pytest.mark.parametrize(("shift", "word"), [(0.0, "agrees"), (0.3, "above"), (-0.3, "below")])
def test_status_where_numbers_can_be_compared(shift, word):
    records, cells = make(("pusht",), ("vqbet",), seeds=5, episodes=50, preset="paper", demonstrations="206 human")
    ours = (records.method == "dynamo") & (records.variant == "")
    records.loc[ours, "score"] += 0.66 + shift - records[ours].score.mean()
    status = table_of("main", records, cells, source="both", **QUICK).column("pusht/vqbet/status")["dynamo"]
    assert status.text == word
    assert "maximum over 51 test evaluations" in status.notes[0]
    shifted = cells.assign(visual_shift="strong", departures="a=1 (paper: 2); " * 5 + "shift.evaluation=strong (paper: none)")
    table = table_of("main", records, shifted, source="both", **QUICK)
    note = "not comparable: a=1 (paper: 2); shift.evaluation=strong (paper: none)"
    assert table.column("pusht/vqbet/status")["dynamo"].notes == (note,)
    several = cells.assign(departures="; ".join(f"{name}=1 (paper: 2)" for name in "abcdef"))
    note = table_of("main", records, several, source="both", **QUICK).column("pusht/vqbet/status")["dynamo"].notes[0]
    assert note.endswith("d=1 (paper: 2); 2 more settings")
    assert table.columns[0].heading == "Push-T /1, shift strong"


def test_policies_table_has_a_column_per_policy():
    table = table_of("policies", *make(("pusht",), ("vqbet", "knn")), source="both", **QUICK)
    assert [column.heading for column in table.columns] == ["VQ-BeT", "published", "status", "kNN (LWR)", "published", "status"]
    assert table.column("pusht/knn/published")["dynamo"].text == "0.12"


def test_finetune_names_what_it_needs():
    table = table_of("finetune", *make(), **QUICK)
    assert [row.label for row in table.rows] == ["imagenet", "dynamo", "dynamo:imagenet_init"]
    assert table.column("kitchen/mlp")["dynamo:imagenet_init"].notes == ("not part of this run",)
    assert table_of("finetune", *make(), source="both", **QUICK).column("kitchen/mlp/published")["dynamo"].text == "3.64"


@pytest.mark.parametrize("source", ["both", "published"])
def test_what_the_paper_does_not_print_cannot_be_shown_with_ours(source, capsys):
    assert main(["table", "compare", "--source", source]) == 2
    assert "the paper prints no table 'compare'" in capsys.readouterr().err


def test_ablations_carry_the_error_of_both_sides():
    records, cells = make(seeds=5, episodes=40)
    table = table_of("ablations", records, cells, source="both", **QUICK)
    percent = table.column("kitchen/mlp/percent")["no_forward"]
    part, full = (records[(records.method == "dynamo") & (records.variant == v)].score.mean() for v in ("no_forward", ""))
    assert percent.value == pytest.approx(100 * part / full)
    absolute = table.column("kitchen/mlp")["no_forward"]
    assert percent.high - percent.low > 100 * (absolute.high - absolute.low) / full * 0.9
    assert table.column("kitchen/mlp/percent")["dynamo (full)"].text == "100"
    assert table.column("kitchen/mlp/percent/published")["no_forward"].text == "34"
    assert [row.label for row in table_of("actions", records, cells, **QUICK).rows] == ["dynamo (full)"]


@pytest.mark.parametrize("name", sorted({*names()} - {"budgets", "probes", "real", "experts", "hyperparameters", "offline"}))
@pytest.mark.parametrize("style", ["text", "md", "csv", "latex", "html", "json"])
def test_every_table_renders_in_every_style(name, style):
    records, cells = make(("kitchen", "pusht"), ("mlp",), seeds=2, episodes=4)
    records["metric/held_out"] = records.episode % 2.0
    before = records.copy(), cells.copy()
    text = render(table_of(name, records, cells, draws=200), style)
    assert "dynamo" in text or name in ("power", "resolution")
    pd.testing.assert_frame_equal(records, before[0])  # pure
    pd.testing.assert_frame_equal(cells, before[1])


def test_options_are_checked():
    records, cells = make()
    for choices, message in [
        ({"source": "theirs"}, "unknown source"),
        ({"statistic": "median"}, "unknown statistic"),
        ({"env": "kitchn"}, "did you mean kitchen"),
        ({"policy": "vqbet"}, "unknown policy"),
        ({"level": 1.0}, "between 0 and 1"),
        ({"draws": 5}, "at least 100"),
    ]:
        with pytest.raises(BenchmarkError, match=message):
            table_of("cost", records, cells, **choices)
    with pytest.raises(UnknownName, match="did you mean main"):
        table_of("mein", records, cells)
    assert table_of("main", records, cells, source="published").rows[0].label == "Random"


def test_results_read_back_from_csv_give_the_same_table(tmp_path):
    records, cells = make()
    for name, frame in (("records", records), ("cells", cells)):
        frame.to_csv(tmp_path / name, index=False)
    again = [pd.read_csv(tmp_path / name) for name in ("records", "cells")]
    assert table_of("main", *again, **QUICK) == table_of("main", records, cells, **QUICK)
    assert np.isfinite(
        [cell.value for cell in table_of("main", *again, **QUICK).column("kitchen/mlp").values() if cell.value]
    ).all()
    assert len(MEANS) == 5


def test_a_new_file_is_a_new_table(tmp_path, monkeypatch):
    """And a table is imported when it is built, not before."""
    (tmp_path / "shortest.py").write_text(
        "from benchmark.report.table import Table\n\ndef table(inputs):\n    return Table('shortest', '', '', (), ())\n"
    )
    (tmp_path / "broken.py").write_text("import no_such_module")
    (tmp_path / "_shared.py").write_text("")
    monkeypatch.setattr(tables, "__path__", [*tables.__path__, str(tmp_path)])
    assert {"shortest", "broken", "main"} <= set(names())
    assert not any(name.startswith("_") for name in names())
    assert tables.build("shortest", TableInputs()).name == "shortest"
    with pytest.raises(ModuleNotFoundError):
        tables.build("broken", TableInputs())


def test_a_table_of_one_set_of_results_refuses_others():
    view = view_of(*make())
    for results in ([], [view, view]):
        with pytest.raises(BenchmarkError, match=f"one set of results, not {len(results)}"):
            tables.build("main", TableInputs(results=results))


def test_naming_the_tables_imports_nothing_that_computes():
    code = "import sys; from benchmark.report.tables import names; names(); print(sorted({'torch', 'pandas'} & {*sys.modules}))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
