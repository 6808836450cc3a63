"""The tables other than those of scores: single tasks, comparisons, costs, power, real trials, settings, experts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report.inputs import TableInputs
from benchmark.report.tables import build
from benchmark.results import published, statistics
from benchmark.results.export import completed
from benchmark.results.options import Column, RowId
from tests.fake_results import make, table_of, view_of

QUICK = {"draws": 2000}


def test_a_crashed_episode_failed_in_every_task_and_only_what_is_known_is_shown():
    records, cells = make()
    whole = table_of("tasks", records, cells, **QUICK)
    records["metric/reward"] = 1.0
    broken = records.index[(records.method == "byol") & (records.seed == 1)]
    records.loc[broken, [c for c in records if c.startswith("metric/")]] = np.nan
    records.loc[broken, "crashed"] = True
    table = table_of("tasks", records, cells, **QUICK)
    for name in ("metric/task/kettle", "metric/task/slide cabinet"):
        assert table.column(name)["byol"].value == pytest.approx(
            np.nan_to_num(records.loc[records.method == "byol", name]).mean()
        )
        assert table.column(name)["dynamo"].value == whole.column(name)["dynamo"].value
    with pytest.raises(BenchmarkError, match="10 crashed episodes have no metric/reward"):
        table_of("main", records, cells, metric="metric/reward", **QUICK)


def test_tasks_show_success_rates():
    records, cells = make()
    table = table_of("tasks", records, cells, **QUICK)
    assert [column.heading for column in table.columns] == ["kettle", "slide cabinet"]
    cell = table.column("metric/task/kettle")["state"]
    assert cell.value == pytest.approx(records[records.method == "state"]["metric/task/kettle"].mean())
    assert "(beta-binomial)" in table.caption
    with pytest.raises(BenchmarkError, match="no single tasks"):
        table_of("tasks", records.drop(columns=["metric/task/kettle", "metric/task/slide cabinet"]), cells)


def test_compare_pairs_episodes_and_corrects_when_asked():
    records, cells = make(seeds=3, episodes=40)
    plain = table_of("compare", records, cells, **QUICK)
    holm = table_of("compare", records, cells, holm=True, **QUICK)
    p = [plain.column("p")[name].value for name in ("state", "byol", "dynamo")]
    corrected = [holm.column("p")[name].value for name in ("state", "byol", "dynamo")]
    assert all(b >= a for a, b in zip(p, corrected, strict=True))
    assert any(b > a for a, b in zip(p, corrected, strict=True))
    assert plain.column("difference")["random"].text == "—"
    assert plain.column("difference")["state"].text.startswith("+")
    assert plain.column("rank")["state"].value == 1
    assert "not corrected" in plain.caption
    assert "corrected for 4 comparisons" in holm.caption
    against = table_of("compare", records, cells, reference="dynamo:no_forward", **QUICK)
    assert against.column("difference")["dynamo"].value > 1
    with pytest.raises(UnknownName, match="did you mean dynamo"):
        table_of("compare", records, cells, reference="dynmo")


def test_compare_says_who_is_better_than_whom_and_by_what():
    records, cells = make(seeds=3, episodes=40)
    view = view_of(records, cells)
    means = records[records.variant == ""].groupby("method").score.mean()
    table = table_of("compare", records, cells, holm=True, **QUICK)
    for name in ("state", "byol", "dynamo"):
        better = view.improvement(view.column, RowId(name), RowId("random"))
        assert table.column("improvement")[name].value == better.estimate
        assert table.column("difference")[name].value == pytest.approx(means[name] - means["random"])
    assert table.column("improvement")["state"].value > 0.5
    rows = [RowId("state"), RowId("byol"), RowId("dynamo"), RowId("dynamo", "no_forward")]
    p = [view.compare(view.column, row, RowId("random")).p for row in rows]
    assert [table.column("p")[str(row)].value for row in rows] == pytest.approx(list(statistics.holm(p)))


def test_holm_is_over_the_comparisons_that_were_made():
    """One row has one seed, which says nothing: three others are left."""
    records, cells = make(seeds=3, episodes=40)
    records = records[(records.method != "byol") | (records.seed == 0)]
    table = table_of("compare", records, cells, holm=True, **QUICK)
    assert "corrected for 3 comparisons" in table.caption
    plain = table_of("compare", records, cells, **QUICK).column("p")
    smallest = min(cell.value for cell in plain.values() if cell.value is not None)
    assert min(cell.value for cell in table.column("p").values() if cell.value is not None) == pytest.approx(3 * smallest)


def test_pairs_are_the_same_episode_seed_or_none():
    records, cells = make()
    view = view_of(records, cells)
    place, a, b = Column("kitchen", "mlp"), RowId("byol"), RowId("dynamo")
    assert [len(group) for group in view.paired(place, a, b)[0]] == [10, 10, 10]
    records.loc[(records.method == "byol") & (records.seed == 1), "episode_seed"] += 5000
    assert [len(group) for group in view_of(records, cells).paired(place, a, b)[0]] == [10, 10]


@pytest.mark.parametrize("how", [{"variant": "tuned"}, {"gradient_steps": 0, "frames_seen": 128_000}])
def test_features_that_the_policy_went_on_to_train_are_not_shown(how):
    """What was probed is not what acts."""
    records, cells = make()
    mine = (cells.method == "byol", records.method == "byol")
    for name, value in how.items():
        cells.loc[mine[0], name] = value
        if name in records:
            records.loc[mine[1], name] = value
    cells["collapsed"] = cells.method == "byol"
    cells = completed(cells.drop(columns="finetuned"))  # as exports of earlier versions said it
    label = "byol:tuned" if "variant" in how else "byol"
    cost = table_of("cost", records, cells, **QUICK)
    for column in ("effective_rank", "probe_linear", "probe_nn"):
        assert cost.column(column)[label].text == "—"
        assert cost.column(column)["dynamo"].text != "—"
    assert not any("collapsed" in note for note in cost.notes)


def test_cost_shows_what_a_row_cost():
    table = table_of("cost", *make(), **QUICK)
    row = {column.key: cell for column, cell in zip(table.columns, table.rows[1].cells, strict=True)}
    assert table.rows[1].label == "byol"
    assert [row[k].text for k in ("frames_seen", "gradient_steps", "pretrain_params", "effective_rank", "feature_dim")] == [
        "40k", "640", "11.2M", "23.4", "512",
    ]  # fmt: skip
    assert next(r for r in table.rows if r.label == "r3m").notes[0].startswith("missing")


def test_power_table_names_the_episodes_for_a_difference():
    table = table_of("power", *make(), difference=0.5)
    sizes = [cell.value for cell in table.rows[2].cells[:4]]
    assert sizes == sorted(sizes, reverse=True)
    assert table.columns[-1].heading == "episodes for 0.5"
    assert {cell.text for row in table.rows for cell in row.cells[:4] if cell.notes} <= {"—"}, "no more than the scale"
    with pytest.raises(BenchmarkError, match="at least two episodes"):
        table_of("power", *make(episodes=1))
    records, cells = make()
    same = table_of("power", records.assign(score=0.1), cells, difference=0.5)
    assert {(cell.text, *cell.notes) for row in same.rows for cell in row.cells} == {("—", "no score varies: nobody can tell")}
    strict, lax = (table_of("power", *make(), level=level, difference=1.0) for level in (0.99, 0.5))
    assert strict.column("episodes_50")["5"].value > lax.column("episodes_50")["5"].value
    assert strict.column("episodes_needed")["10"].value > lax.column("episodes_needed")["10"].value
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(BenchmarkError, match="must be above zero"):
            table_of("power", *make(), difference=wrong)


def test_real_trials_regenerate_the_papers_totals():
    table = build("real", TableInputs(trials=published.trials(2)))
    total = table.column("DynaMo")["Allegro total"]
    assert total.text.startswith("21/30 [")
    assert (total.low, total.high) == pytest.approx((0.521, 0.833), abs=1e-3)
    assert table.column("DynaMo")["xArm total"].text.startswith("22/25 [")
    assert [row.label for row in build("real", TableInputs(trials=published.trials(3))).rows][-1] == "Allegro total"
    mine = pd.DataFrame({"task": ["cup"], "method": ["ours"], "successes": [3], "trials": [4]})
    assert [row.label for row in build("real", TableInputs(trials=mine)).rows] == ["cup", "total"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"successes": [5]}, "5 successes in 4 trials"), ({"trials": [0]}, "in no trials"), (None, "lack the column")],
)
def test_impossible_trials_are_refused(change, message):
    trials = pd.DataFrame({"task": ["cup"], "method": ["ours"], "successes": [3], "trials": [4]})
    trials = trials.drop(columns="trials") if change is None else trials.assign(**change)
    with pytest.raises(BenchmarkError, match=message):
        build("real", TableInputs(trials=trials))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is missing"),
        ("", "does not name each column once"),
        ("task,method,successes,trials\n", "there are no real trials"),
        ("task,method,successes,trials\ncup,ours,abc,4\n", "abc successes in 4 trials"),
        ("task,method,successes,trials\ncup,ours,3,\n", "3 successes in no trials"),
        ("task,method,successes,trials\ncup,ours,1,inf\n", "1 successes in inf trials"),
        ("task,method,successes,trials\ncup,ours,1.5,4\n", "1.5 successes in 4 trials"),
        ("task,method,successes,trials\ncup,ours,1\n", "line 2 has 3 fields, its header 4"),
    ],
)
def test_a_file_of_trials_that_cannot_be_read_is_named(text, message, tmp_path, capsys):
    path = tmp_path / "trials.csv"
    if text is not None:
        path.write_text(text)
    assert main(["table", "real", "--trials", str(path), "--home", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert message in told


def test_hyperparameters_show_a_dash_where_a_field_does_not_exist():
    settings = {"byol": {"lr": 1e-4, "ema": 0.99}, "dynamo": {"lr": 1e-4, "betas": (0.9, 0.999), "goal": None}}
    table = build("hyperparameters", TableInputs(settings=settings, preset="quick"))
    assert [row.label for row in table.rows] == ["lr", "ema", "betas", "goal"]
    assert [cell.text for row in table.rows for cell in row.cells] == [
        "0.0001", "0.0001", "0.99", "—", "—", "0.9, 0.999", "—", "none",
    ]  # fmt: skip


def test_experts_are_counted_per_environment_and_per_task():
    push = {"env": "Push-T", "metric": "final_coverage", "target": 0.95, "task": None, "steps": 100}
    rows = [{**push, "score": score} for score in (0.96, 0.97, 0.4, 0.95)]
    goal = {"env": "LIBERO Goal", "metric": "success", "target": 0.95, "steps": 50}
    rows += [{**goal, "task": task, "score": score} for task, score in (("turn_on", 1.0), ("turn_on", 0.0), ("put_it", 1.0))]
    table = build("experts", TableInputs(episodes=pd.DataFrame(rows)))
    reached = {label.split(":")[0]: (cell.text.split(" ")[0], cell.low) for label, cell in table.column("reached").items()}
    assert list(reached) == ["LIBERO Goal", "put it", "turn on", "Push-T"]
    assert [text for text, _ in reached.values()] == ["2/3", "1/1", "1/2", "3/4"]
    assert reached["Push-T"][1] == pytest.approx(statistics.wilson(3, 4).low)
    assert table.column("score")["put it"].text == "1.00 / 1.00"
