"""Exported records: the columns that they have, and those that exports of earlier versions lack."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmark.results.bundle import Results
from benchmark.results.export import export, load
from benchmark.results.view import ResultsView
from benchmark.storage.columns import (
    CELL_COLUMNS,
    CELL_FIELDS,
    ENCODER,
    FEATURES,
    IDENTITY,
    MEASURED,
    RECORD_COLUMNS,
    RECORD_FIELDS,
)
from tests.fake_results import make

NEW = ["floor", "untrained", "env_title", "policy_title", "state_target"]
MEASURED_FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "results" / "measured").glob("*/cells.csv"))


def test_exports_of_earlier_versions_know_their_floor_and_titles(tmp_path):
    records, cells = make(("kitchen", "pusht"), ("vqbet", "mlp"))
    for folder, frame in (("new", cells), ("old", cells.drop(columns=NEW))):
        export(Results(records, frame), tmp_path / folder)
    new, old = load(tmp_path / "new").cells, load(tmp_path / "old").cells
    assert old.policy_title.unique().tolist() == ["VQ-BeT", "MLP (chunking)"]
    pd.testing.assert_series_equal(old.env_title, new.env_title, check_dtype=False)
    pd.testing.assert_series_equal(old.floor, new.floor)
    pd.testing.assert_series_equal(old.untrained, new.untrained)
    pd.testing.assert_series_equal(old.state_target, new.state_target)
    trained = cells.assign(variant=cells.variant.where(cells.method != "random", "tuned")).drop(columns=NEW)
    of_trained = records.assign(variant=records.variant.where(records.method != "random", "tuned"))
    export(Results(of_trained, trained), tmp_path / "trained")
    assert not load(tmp_path / "trained").cells.floor.any(), "a variant of the floor was trained"
    own = cells.assign(env_title="A", policy_title="B", floor=cells.method == "byol")
    export(Results(records, own), tmp_path / "own")
    assert ResultsView(load(tmp_path / "own")).env_title("kitchen") == "A", "what an export says is not overwritten"
    assert str(ResultsView(load(tmp_path / "own")).floor) == "byol"


def test_exports_of_earlier_versions_know_both_random_networks_but_no_bar_of_an_unknown_environment(tmp_path):
    records, cells = make()
    for frame in (records, cells):
        frame["method"] = frame.method.replace("byol", "random_vit")
        frame["env"] = "elsewhere"
    export(Results(records, cells.drop(columns=NEW)), tmp_path)
    found = load(tmp_path).cells
    assert set(found.method[found.untrained]) == {"random", "random_vit"}
    assert set(found.method[found.floor]) == {"random"}
    assert found.state_target.isna().all()


def test_exports_of_earlier_versions_take_the_demonstrators_score_from_its_manifest(tmp_path):
    records, cells = make(("kitchen", "pusht"))
    cell = {"method": "byol", "variant": "", "policy": "mlp", "seed": 0}
    behind = [{**cell, "env": env, "stages": {"demos": key}} for env, key in (("kitchen", "a"), ("pusht", "b"))]
    stages = {"a": {"kind": "demos", "label": "", "provenance": 0, "summary": {"mean_score": 3.5}}}  # the other's is not there
    known = {"request": {}, "cells": behind, "stages": stages, "provenance": [{"git": None}]}
    results = Results(records, cells.drop(columns="demonstrator_score"), provenance=known)
    export(results, tmp_path)
    found = load(tmp_path).cells
    assert set(found.demonstrator_score[found.env == "kitchen"]) == {3.5}
    assert found.demonstrator_score[found.env == "pusht"].isna().all()


def test_an_empty_field_of_text_means_what_its_column_says(tmp_path):
    texts = {"variant", "visual_shift", "departures", "computed_with", "encoder"}
    assert {field.name for field in (*RECORD_FIELDS, *CELL_FIELDS) if field.type == "text" and field.empty == ""} == texts
    records, cells = make()
    export(Results(records, cells), tmp_path)
    found = load(tmp_path)
    assert set(found.cells.variant) == {"", "no_forward"}
    assert set(found.cells.visual_shift) == {""}
    assert all(reason is None for reason in found.cells.reason[found.cells.status == "done"])
    assert all(error is None for error in found.records.error)


@pytest.mark.parametrize("folder", MEASURED_FOLDERS, ids=lambda folder: folder.name)
def test_committed_records_have_no_other_columns(folder):
    found = load(folder)
    assert set(found.cells) <= set(CELL_COLUMNS)
    assert {name for name in found.records if not name.startswith("metric/")} == set(RECORD_COLUMNS)
    assert str(ResultsView(found).floor) == "random" if "random" in set(found.cells.method) else True


def test_lists_of_columns_are_parts_of_one_another():
    assert set(ENCODER) < set(IDENTITY) < set(RECORD_COLUMNS)
    assert set(FEATURES) < set(MEASURED) < set(CELL_COLUMNS)
    assert len(set(CELL_COLUMNS)) == len(CELL_COLUMNS)
