"""Ours beside the paper's: highest first, and a reason where the two differ."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables import build
from benchmark.results.bundle import Results
from benchmark.results.export import export
from tests.fake_results import make, table_of, view_of


def rows(table: Table, key: str) -> dict[str, str]:
    return {label: cell.text for label, cell in table.column(key).items()}


def spent(cells: pd.DataFrame) -> pd.DataFrame:
    """With the budget that reasons name."""
    trained = ~cells.method.isin(["state", "random"])
    return cells.assign(frames_seen=trained * 15_000, encoder_params=702_000)


def test_the_highest_score_comes_first() -> None:
    records, cells = make(("pusht",), ("vqbet",))
    table = table_of("gaps", records, spent(cells))
    scores = [row.cells[1].value for row in table.rows]
    assert scores == sorted(scores, reverse=True)
    assert table.rows[0].label == "state"
    assert "r3m" not in [row.label for row in table.rows], "what was not run has no score to sort by"


def test_a_gap_has_a_reason_and_what_is_inside_the_interval_none() -> None:
    records, cells = make(("pusht",), ("vqbet",), demonstrations="206 human")
    records.loc[records.method == "random", "score"] = 0.07  # the paper's
    table = table_of("gaps", records, spent(cells))
    assert rows(table, "paper") | {"state": "", "dynamo:no_forward": ""} == {
        "state": "", "byol": "0.23", "dynamo": "0.66", "dynamo:no_forward": "", "random": "0.07",
    }  # fmt: skip
    ours = view_of(records, cells).interval
    column = view_of(records, cells).columns[0]
    byol = next(row for row in view_of(records, cells).rows if str(row) == "byol")
    estimate = ours(column, byol).estimate
    assert rows(table, "gap")["byol"] == f"{estimate - 0.23:+.2f}"
    reasons = rows(table, "reason")
    assert reasons["byol"] == "budget of quick: 15k frames of pretraining, 702k parameters"
    assert reasons["random"].startswith("none to explain")
    assert reasons["state"] == "not in the paper"


def test_other_demonstrations_and_another_policy_are_named() -> None:
    records, cells = make(("kitchen",), ("mlp",), demonstrations="128 scripted")
    reason = rows(table_of("gaps", records, spent(cells)), "reason")["byol"]
    assert reason.startswith("budget of quick: 128 scripted demonstrations, not 566 human, mlp instead of vqbet, ")
    untrained = rows(table_of("gaps", records.assign(score=0.0), spent(cells)), "reason")["random"]
    assert untrained.endswith("nothing is pretrained in either, 702k parameters")
    elsewhere = tuple(frame.assign(method=frame.method.replace("byol", "r3m")) for frame in make(("kitchen",), ("mlp",)))
    published = elsewhere[1].assign(frames_seen=0, encoder_params=702_000)
    published = published[published.status == "done"]
    reason = rows(table_of("gaps", elsewhere[0].assign(score=0.0), published), "reason")["r3m"]
    assert reason.endswith("weights that others have published, 702k parameters")
    records.loc[records.method == "random", "score"] = 3.32  # the paper's, which is of another policy
    assert "mlp instead of vqbet" in rows(table_of("gaps", records, spent(cells)), "reason")["random"]


def test_an_environment_is_shown_under_the_papers_policy() -> None:
    records, cells = make(("pusht",), ("mlp", "vqbet"))
    assert set(rows(table_of("gaps", records, cells), "setting").values()) == {"Push-T, VQ-BeT"}


def test_records_of_several_settings_make_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = {env: make((env,), ("vqbet",)) for env in ("pusht", "kitchen")}
    for env, (records, cells) in made.items():
        export(Results(records, cells), tmp_path / env)
    folders = [word for env in made for word in ("--records", str(tmp_path / env))]
    assert main(["table", "gaps", *folders, "--format", "md"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("Push-T, VQ-BeT") < shown.index("Franka Kitchen, VQ-BeT")
    both = build("gaps", TableInputs(results=[view_of(*made[env]) for env in made]))
    assert len(both.rows) == 2 * len(table_of("gaps", *made["pusht"]).rows)
