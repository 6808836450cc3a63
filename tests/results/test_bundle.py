"""Results of several runs as those of one: what may be joined, what is told apart, and what is chosen of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.results.bundle import UNKNOWN_RECIPE, Results, by_settings, merged
from benchmark.storage.columns import ENCODER
from tests.fake_results import make

RECIPE = "pretrain.frames=15000 (paper: 40 epochs); fit.steps=2000 (paper: 300 epochs); env.kitchen.resolution=96 (paper: 224)"


def run(seeds: tuple[int, ...], policy: str = "mlp", overrides: tuple[str, ...] = (), **said: Any) -> Results:
    """A run of those seeds, whose cells say what else is given."""
    records, cells = (frame[frame.seed.isin(seeds)] for frame in make(policies=(policy,), seeds=4, episodes=3))
    request = {"methods": ["all"], "envs": ["kitchen"], "policies": [policy], "preset": "quick", "overrides": list(overrides)}
    known = {"request": request, "cells": [], "stages": {}, "provenance": []}
    alike = {"goal": "none", "starts": "evaluation", "departures": RECIPE}
    return Results(records, cells.assign(**(alike | said)), provenance=known)


BOTH = "env.kitchen.resolution in kitchen with mlp, fit.steps in kitchen with mlp"
SHARED: dict[str, tuple[dict[str, Any], str]] = {
    "metric": ({"metric": "reward"}, "metric in kitchen"),
    "range": ({"metric_high": 5.0}, "metric_high in kitchen"),
    "demonstrations": ({"demonstrations": "65 scripted"}, "demonstrations in kitchen"),
    "goal": ({"goal": "last"}, "goal in kitchen"),
    "starts": ({"starts": "demonstrations"}, "starts in kitchen"),
    "checkpoint": ({"checkpoint": "validation"}, "checkpoint in kitchen"),
    "shift": ({"visual_shift": "mild (trained with none)"}, "visual_shift in kitchen"),
    "another value": ({"departures": RECIPE.replace("2000", "4000")}, "fit.steps in kitchen with mlp"),
    "none": ({"departures": RECIPE.split("; fit")[0]}, BOTH),
    "the paper's": ({"departures": ""}, BOTH),
}


@pytest.mark.parametrize("kind", SHARED)
def test_runs_whose_cells_say_other_settings_are_not_joined(kind: str) -> None:
    """The same request, of code with other defaults."""
    said, names = SHARED[kind]
    for parts in ({"a": run((0, 1)), "b": run((2,), **said)}, {"a": run((0, 1), **said), "b": run((2,))}):
        with pytest.raises(BenchmarkError, match=rf"^a and b were made with other settings of {names}$"):
            merged(parts)
        assert [sorted(set(part.cells.seed)) for part in by_settings(parts)] == [[0, 1], [2]]
    with pytest.raises(BenchmarkError, match=r"^a and c were made"):
        merged({"a": run((0,)), "b": run((1,)), "c": run((2,), **said)})


@pytest.mark.parametrize(
    "said",
    [
        {"departures": RECIPE.replace("15000", "60000")},  # of rows, which may have budgets of their own
        {"departures": RECIPE.replace("300 epochs", "200 epochs")},  # another edition of the paper's recipe
        {"departures": UNKNOWN_RECIPE, "goal": None, "starts": None},
    ],
)
def test_what_rows_have_for_themselves_and_what_is_not_recorded_differs_from_nothing(said: dict[str, Any]) -> None:
    parts = {"a": run((0, 1)), "b": run((2,), **said)}
    assert set(merged(parts).cells.seed) == {0, 1, 2}
    assert len(by_settings(parts)) == 1


def test_of_columns_that_only_one_has_nothing_is_compared() -> None:
    """kNN fits nothing, so it departs from no budget of fits; and where and how it ran is no setting."""
    cluster = ("slurm.partition=gpu", "ray.address=auto", "launch.retries=5", "resources.fit.memory=9", "tracker=wandb")
    there = ("machine.threads=4", *cluster, "rollout.timeout=60", "pretrain.checkpoint_every=10")
    knn = run((0, 1), "knn", there, departures=RECIPE.split("; fit")[0])
    joined = merged({"a": run((0, 1), overrides=("machine.threads=1",)), "b": knn})
    assert set(joined.cells.policy) == {"mlp", "knn"}
    with pytest.raises(BenchmarkError, match="goal in kitchen"):  # which a table of policies says once
        merged({"a": run((0, 1)), "b": run((0, 1), "knn", goal="last")})


def test_settings_that_were_asked_for_are_named_alone() -> None:
    other = run((2,), overrides=("fit.steps=4000",), departures=RECIPE.replace("2000", "4000"))
    with pytest.raises(BenchmarkError, match=r"other settings of fit\.steps$"):
        merged({"a": run((0, 1)), "b": other})


def test_an_encoder_that_two_parts_hold_is_kept_once() -> None:
    """Each under another policy; their curves are those of one training."""

    def with_curves(part: Results, value: float) -> Results:
        encoders = part.cells[part.cells.status == "done"][ENCODER].drop_duplicates()
        curve = pd.DataFrame({"step": [0, 10], "name": "loss", "value": value})
        axes = pd.DataFrame({"index": [1, 2, 3], "value": value})
        frames = (encoders.merge(frame, how="cross") for frame in (curve, axes))
        return Results(part.records, part.cells, *frames, part.provenance)

    joined = merged({"a": with_curves(run((0, 1)), 1.0), "b": with_curves(run((0, 1, 2), "knn"), 2.0)})
    for frame, points in ((joined.curves, 2), (joined.spectra, 3)):
        assert (frame.groupby(ENCODER).size() == points).all()
        assert set(frame.value[frame.seed < 2]) == {1.0}
        assert set(frame.value[frame.seed == 2]) == {2.0}
        assert set(frame) == {*ENCODER, "value"} | set(frame.columns) - {"part"}
    assert merged({"a": run((0,)), "b": run((1,))}).curves.empty


def test_seeds_that_are_not_there_are_named_with_those_that_are() -> None:
    part = run((0, 1, 3))
    assert set(part.only(seeds=range(1, 9)).cells.seed) == {1, 3}
    with pytest.raises(BenchmarkError, match="hold training seeds 0, 1, 3, none of those named"):
        part.only(seeds=range(4, 9))


def test_a_preset_is_chosen_of_several() -> None:
    part = run((0, 1))
    part.cells.loc[part.cells.seed == 1, "preset"] = "standard"
    assert set(part.only(preset="standard").cells.seed) == {1}
    assert set(part.only(preset="standard").records.seed) == {1}


def test_names_are_found_as_they_are_written() -> None:
    part = run((0, 1))
    part.cells["env"], part.records["env"] = "recording:my-data", "recording:my-data"
    part.cells["preset"] = "quick+my-preset"
    assert set(part.only(envs=["recording:my-data"], preset="quick+my-preset").cells.env) == {"recording:my-data"}
    assert set(run((0,), "gc_bc").only(policies=["gc-bc"]).cells.policy) == {"gc_bc"}
