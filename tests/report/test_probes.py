"""What features keep, and scores: against the numbers that went in."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables import build
from benchmark.results.bundle import Results
from benchmark.results.export import export
from benchmark.results.options import Options
from benchmark.results.view import ResultsView
from benchmark.storage.columns import IDENTITY
from tests.fake_results import make

DRAWS = Options(draws=200)


def probes(results: Results) -> Table:
    return build("probes", TableInputs(DRAWS, [ResultsView(results)]))


@pytest.fixture
def results() -> Results:
    """Six rows and three seeds; the disc is kept the better the higher the score, the block the other way round."""
    records, cells = make()
    records = pd.concat([records, records[records.method == "byol"].assign(method="vicreg", score=1.0)])
    cells = pd.concat([cells, cells[cells.method == "byol"].assign(method="vicreg")])
    cells = cells[cells.status == "done"].assign(reason=None)
    means = records.groupby(["method", "variant"]).score.mean()
    stages, known = {}, []
    for row in cells.to_dict("records"):
        disc = means[row["method"], row["variant"]] / 4
        key = f"{row['method']}-{row['variant']}-{row['seed']}"
        summary = {"linear_r2_by_group": {"disc": disc + row["seed"] / 100, "block": 1 - disc}}
        stages[key] = {"kind": "probe", "label": f"probe · {key}", "provenance": 0, "summary": summary}
        known.append({**{name: row[name] for name in IDENTITY}, "stages": {"probe": key}})
    provenance = {"cells": known, "stages": stages, "request": {}, "provenance": [{"git": None}]}
    return Results(records, cells, provenance=provenance)


def test_each_part_of_the_state_has_a_column_with_the_mean_over_seeds(results: Results) -> None:
    table = probes(results)
    assert [column.heading for column in table.columns] == ["disc", "block", "Franka Kitchen /4"]
    cell = table.column("probe/disc")["byol"]
    share = results.records[results.records.method == "byol"].score.mean() / 4
    assert (cell.low, cell.value, cell.high) == pytest.approx((share, share + 0.01, share + 0.02))


def test_each_part_says_whether_it_goes_with_the_score(results: Results) -> None:
    table = probes(results)
    assert table.remarks == (
        "disc: rank correlation of R² and score 1.00 [1.00, 1.00] over 5 rows.",  # the ceiling does not count
        "block: rank correlation of R² and score -1.00 [-1.00, -1.00] over 5 rows.",
    )


def test_a_part_that_some_rows_lack_is_a_dash_there(results: Results) -> None:
    for key, stage in results.provenance["stages"].items():
        if key.startswith("byol"):
            del stage["summary"]["linear_r2_by_group"]["block"]
    table = probes(results)
    assert table.column("probe/block")["byol"].text == "—"
    assert [remark.partition(":")[0] for remark in table.remarks] == ["disc"], "four rows say nothing of the block"


def test_of_another_policy_nothing_is_shown(results: Results) -> None:
    """An encoder that its policy trains is another with each."""
    key, other = "byol--0", {"linear_r2_by_group": {"disc": -9.0, "block": -9.0}}
    stages = {**results.provenance["stages"], "other": {**results.provenance["stages"][key], "summary": other}}
    known = [{**cell, "policy": "knn", "stages": {"probe": "other"}} for cell in results.provenance["cells"]]
    both = {**results.provenance, "stages": stages, "cells": [*results.provenance["cells"], *known]}
    assert probes(replace(results, provenance=both)) == probes(results)


def test_records_that_say_nothing_of_parts_are_an_error(results: Results) -> None:
    for provenance in ({**results.provenance, "cells": []}, {**results.provenance, "stages": {}}):
        with pytest.raises(BenchmarkError, match="no parts of a state were probed for mlp in kitchen"):
            probes(replace(results, provenance=provenance))


def test_the_command_prints_it(results: Results, tmp_path, capsys) -> None:
    export(results, tmp_path)
    assert main(["table", "probes", "--records", str(tmp_path)]) == 0
    assert "disc: rank correlation" in capsys.readouterr().out
