"""Results with provenance, the figures that are drawn of them, and their page."""

from __future__ import annotations

import hashlib

import pandas as pd
import pytest

from benchmark.report import gallery
from benchmark.report.page import page
from benchmark.results.bundle import Results
from benchmark.results.view import ResultsView
from tests.fake_results import make


def fake_results() -> Results:
    envs, policies = ("kitchen", "pusht"), ("mlp", "knn")
    records, cells = (
        frame[~((frame.env == "kitchen") & (frame.policy == "knn"))] for frame in make(envs, policies, seeds=2, episodes=6)
    )
    encoders = cells[cells.status == "done"][["env", "method", "variant", "seed"]].drop_duplicates()
    steps = pd.DataFrame({"step": [0, 10, 20], "name": "loss", "value": [1.0, 0.5, 0.25]})
    axes = pd.DataFrame({"index": [1, 2, 3], "value": [4.0, 2.0, 1.0]})
    machine = {"git": {"commit": "c0ffee", "dirty": True}, "versions": {"python": "3.11"}}
    named, stages = [], {}
    for cell in cells[cells.status == "done"].itertuples():
        identity = {name: getattr(cell, name) for name in ("env", "method", "variant", "policy", "seed")}
        key = hashlib.sha256(repr(identity).encode()).hexdigest()[:20]
        named.append({**identity, "stages": {"rollout": key}})
        stages[key] = {"kind": "rollout", "label": f"rollouts {cell.method}", "provenance": 0, "summary": {}, "files": {}}
    request = {
        "methods": ["all"],
        "envs": list(envs),
        "policies": list(policies),
        "seeds": 2,
        "preset": "quick",
        "overrides": [],
    }
    provenance = {"request": request, "cells": named, "stages": stages, "provenance": [machine]}
    return Results(records, cells, encoders.merge(steps, how="cross"), encoders.merge(axes, how="cross"), provenance)


@pytest.fixture(scope="module")
def results() -> Results:
    return fake_results()


@pytest.fixture(scope="module")
def drawn(results: Results) -> tuple[list[gallery.Drawing], list[str]]:
    return gallery.gallery(ResultsView(results))


@pytest.fixture(scope="module")
def text(results: Results, drawn: tuple[list[gallery.Drawing], list[str]]) -> str:
    return page(ResultsView(results), drawn=drawn)
