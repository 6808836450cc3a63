from __future__ import annotations

from dataclasses import dataclass

import pytest

from benchmark import registry
from benchmark.contracts.method import MethodConfig
from benchmark.planning.paper import departures, paper_configs
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request

pytestmark = pytest.mark.fast


def departed(*overrides, method="dynamo", env="pusht", policy="vqbet", preset="paper"):
    plan = make_plan(Request(methods=[method], envs=[env], policies=[policy], preset=preset, overrides=overrides))
    (cell,) = plan.cells
    return departures(cell.id, plan.configs[env], paper_configs(plan)[env])


def test_the_preset_is_the_paper():
    for env in ("kitchen", "block_push", "pusht", "libero_goal"):
        assert departed(env=env) == ()
    assert departed(method="end_to_end") == ()
    assert departed(policy="knn") == ()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("fit.steps=5000", "fit.steps=5000 (paper: 5000 epochs)"),
        ("pretrain.frames=60000", "pretrain.frames=60000 (paper: 40 epochs)"),
        ("pretrain.epochs=2", "pretrain.epochs=2 (paper: 40 epochs)"),
        ("method.dynamo.epochs=20", "pretrain.epochs=20 (paper: 40 epochs)"),
        ("method.dynamo.covariance_weight=0.1", "method.dynamo.covariance_weight=0.1 (paper: 0.04)"),
        ("policy.vqbet.width=64", "policy.vqbet.width=64 (paper: 512)"),
        ("env.pusht.resolution=96", "env.pusht.resolution=96 (paper: 224)"),
        ("embed.features=patch", "embed.features=patch (paper: pooled)"),
        ("embed.precision=auto", "embed.precision=auto (paper: fp32)"),
        ("fit.goal=last", "fit.goal=last (paper: none)"),
        ("fit.standardise=true", "fit.standardise=True (paper: False)"),
        ("fit.proprio=true", "fit.proprio=True (paper: False)"),
        ("pretrain.precision=bf16", "pretrain.precision=bf16 (paper: fp32)"),
        ("split.held_out=0.2", "split.held_out=0.2 (paper: 0.05)"),
        ("shift.evaluation=mild", "shift.evaluation=mild (paper: none)"),
        ("rollout.episodes=50", "rollout.episodes=50 (paper: 100)"),
        ("rollout.checkpoint=validation", "rollout.checkpoint=validation (paper: last)"),
    ],
)
def test_one_override_is_one_departure(override, said):
    assert departed(override) == (said,)


@pytest.mark.parametrize("override", ["pretrain.epochs=40", "fit.epochs=5000", "machine.device=cpu", "rollout.slots=4"])
def test_the_same_in_other_words_and_how_it_runs_are_none(override):
    assert departed(override) == ()


def test_where_data_lie_is_none_but_a_preset_is_many(tmp_path):
    assert departed(f"env.pusht.human_path={tmp_path}") == ()
    quick = departed(preset="quick")
    assert "pretrain.frames=15000 (paper: 40 epochs)" in quick
    assert "method.dynamo.width=16 (paper: 64)" in quick


def test_what_a_cell_does_not_use_is_none():
    assert departed("pretrain.frames=60000", method="random") == ()
    assert departed("fit.steps=5000", policy="knn") == ()
    assert departed("joint.batch=32") == ()
    assert departed("joint.batch=32", method="end_to_end") == ("joint.batch=32 (paper: 64)",)


def test_a_setting_of_a_component_counts_even_where_a_budget_has_its_name():
    @dataclass
    class SteppingConfig(MethodConfig):
        steps: int = 3  # of whatever it does

    class Stepping(registry.methods().get("random")):  # type: ignore[misc]
        name = "stepping"
        Config = SteppingConfig

    registry.methods().add(Stepping)
    try:
        assert departed("method.stepping.steps=4", method="stepping") == ("method.stepping.steps=4 (paper: 3)",)
    finally:
        registry.methods().remove("stepping")


def test_libero_goal_is_conditioned_on_the_last_frame_in_every_preset():
    """The release conditions on the last frame of a demonstration there, and nowhere else."""
    for preset in ("smoke", "quick", "paper"):
        plan = make_plan(Request(methods=["random"], envs=["libero_goal", "kitchen"], policies=["knn"], preset=preset))
        assert {env: config.fit.goal for env, config in plan.configs.items()} == {"libero_goal": "last", "kitchen": "none"}
    assert departed("fit.goal=none", env="libero_goal") == ("fit.goal=none (paper: last)",)
