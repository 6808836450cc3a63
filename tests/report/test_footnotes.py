"""Footnotes of tables: what is absent and how to get it, what crashed, what collapsed, which seeds a row lacks."""

from __future__ import annotations

from benchmark.report.inputs import TableInputs
from benchmark.report.tables import build
from tests.fake_results import make, table_of, view_of

QUICK = {"draws": 2000}


def undo(cells, method, seeds, status, reason):
    chosen = (cells.method == method) & cells.seed.isin(seeds) & (cells.variant == "")
    cells.loc[chosen, ["status", "reason"]] = [status, reason]
    return chosen


def undone(cells, method, seeds):
    changed = cells.copy()
    undo(changed, method, seeds, "pending", "not run yet")
    return changed


def test_rows_that_could_not_run_show_a_dash_and_the_fixing_command():
    cell = table_of("main", *make(), **QUICK).column("kitchen/mlp")["r3m"]
    assert cell.text == "—"
    assert cell.value is None
    assert cell.notes == ("missing: no weights here; python -m benchmark weights fetch r3m",)


def test_seeds_that_are_left_out_for_one_reason_are_one_note():
    records, cells = make(seeds=5)
    for seeds, text in (([1, 2, 3], "seeds 1 to 3"), ([0, 3], "seeds 0, 3"), ([2], "seed 2")):
        changed = cells.copy()
        undo(changed, "byol", seeds, "pending", "not run yet")
        left = records[~((records.method == "byol") & records.seed.isin(seeds))]
        notes = table_of("main", left, changed, **QUICK).column("kitchen/mlp")["byol"].notes
        assert notes[0] == f"{text} left out: pending: not run yet"


def test_partial_crashed_and_collapsed_rows_say_so():
    records, cells = make()
    gone = undo(cells, "byol", [1], "failed", "loss is NaN at step 12")
    records = records[~((records.method == "byol") & (records.seed == 1))]
    crashed = records.index[(records.method == "dynamo") & (records.variant == "")][:2]
    records.loc[crashed, ["crashed", "score"]] = [True, 0.0]
    cells[["collapsed", "collapse_reason"]] = cells[["collapsed", "collapse_reason"]].astype(object)
    cells.loc[(cells.method == "random") & (cells.seed == 2), ["collapsed", "collapse_reason"]] = [
        True,
        "effective rank 1.3 < 2",
    ]
    column = table_of("main", records, cells, **QUICK).column("kitchen/mlp")
    assert gone.sum() == 1
    assert column["byol"].notes == ("seed 1 left out: failed: loss is NaN at step 12",)
    assert column["dynamo"].notes == ("2 of 30 episodes crashed and count as the lowest score",)
    assert column["random"].notes == ("seed 2 collapsed: effective rank 1.3 < 2",)


def test_a_row_of_one_seed_is_marked_where_others_have_several():
    records, cells = make()
    few = records[(records.method != "byol") | (records.seed == 0)]
    note = "one training seed: the interval covers episodes only, and says nothing of other seeds"
    for name, key in (("main", "kitchen/mlp"), ("compare", "score"), ("gaps", "ours")):
        column = table_of(name, few, undone(cells, "byol", [1, 2]), **QUICK).column(key)
        assert note in column["byol"].notes
        assert note not in column["dynamo"].notes
    rows = {row.label: row for row in table_of("tasks", few, undone(cells, "byol", [1, 2])).rows}
    assert note in rows["byol"].notes
    assert note not in rows["dynamo"].notes
    alone = table_of("main", *make(seeds=1), **QUICK)
    assert note not in alone.notes, "the caption says it of all"
    both = build("gaps", TableInputs(results=[view_of(*make()), view_of(*make(("pusht",), seeds=1))]))
    assert {row.cells[0].text for row in both.rows if note in row.cells[1].notes} == {"Push-T, mlp"}


def test_seeds_that_other_rows_have_are_named():
    """Of records that were put together from several runs: nothing is pending there."""
    records, cells = (frame[(frame.method != "byol") | frame.seed.isin([0, 3])] for frame in make(seeds=5))
    for name, key in (("main", "kitchen/mlp"), ("compare", "score")):
        column = table_of(name, records, cells, **QUICK).column(key)
        assert "without seeds 1, 2, 4, which other rows have" in column["byol"].notes
        assert not any("without" in note for note in column["dynamo"].notes)
