"""The command that a row says it comes from."""

from __future__ import annotations

import shlex

from benchmark.report.reproduce import command
from benchmark.results.options import Column, RowId

REQUEST = {"seeds": 2, "preset": "quick", "overrides": ["fit.steps=3", "method.dynamo.lr=0.1", "policy.knn.k=2"]}


def typed(**changes: object) -> list[str]:
    return shlex.split(command({**REQUEST, **changes}, Column("pusht", "knn"), RowId("byol")))


def test_seeds_begin_where_they_began() -> None:
    words = typed(first_seed=3)
    assert words[words.index("--first-seed") + 1] == "3"
    assert words[words.index("--seeds") + 1] == "2"
    assert "--seeds" not in typed(seeds=1), "as where nothing is said"
    assert "--first-seed" not in typed(first_seed=0)
    assert "--first-seed" not in typed(), "requests of earlier versions began at 0"


def test_only_settings_that_concern_the_row_are_named() -> None:
    assert typed()[-2:] == ["fit.steps=3", "policy.knn.k=2"]


def test_a_preset_of_ones_own_is_what_it_is_made_of() -> None:
    words = typed(preset="smoke+mine", preset_settings=["fit.steps=2", "policy.mlp.lr=1"], overrides=["rollout.episodes=5"])
    assert words[words.index("--preset") + 1 :] == ["smoke", "fit.steps=2", "rollout.episodes=5"]


def test_a_row_of_a_list_of_values_has_its_own_in_its_name() -> None:
    request = {**REQUEST, "overrides": ["method.dynamo.lr=1e-4,3e-4", "method.dynamo.width=8"]}
    words = shlex.split(command(request, Column("pusht", "knn"), RowId("dynamo", "lr=1e-4")))
    assert words[words.index("--methods") + 1] == "dynamo:lr=1e-4"
    assert words[-1] == "method.dynamo.width=8"
    assert not any("3e-4" in word for word in words)


def test_settings_of_recordings_are_those_of_each() -> None:
    request = {**REQUEST, "overrides": ["env.recording.resolution=64", "env.pusht.episodes=3"]}
    words = shlex.split(command(request, Column("recording:mine", "knn"), RowId("byol")))
    assert words[-1] == "env.recording.resolution=64"
