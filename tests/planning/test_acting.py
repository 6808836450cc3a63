"""Settings that acting alone reads are on the keys of what acts, and of nothing before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmark import registry
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import to_json
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan, video_stage, visualize_stages
from benchmark.planning.request import Request
from benchmark.storage.manifests import Ref
from tests.toy import Guided

OTHER: dict[str, Any] = {
    "execute": 1,
    "ensemble": "true",
    "temperature": 0.3,
    "sample_steps": 1,
    "eta": 0.5,
    "k": 2,
}
CASES = [
    (name, setting)
    for name in registry.policies().names()
    for setting in component_config(registry.policies().get(name), "smoke", "pusht").split()[1]
]


def plan_of(policy: str, *overrides: str, env: str = "pusht") -> Plan:
    return make_plan(Request(["state"], [env], [policy], preset="smoke", overrides=["fit.goal=last", *overrides]))


def override(policy: str, setting: str) -> list[str]:
    """Another value of a setting than that of the preset."""
    name = f"policy.{policy}"
    if policy == "rt1":  # whose single actions leave `execute` no other value
        return [f"{name}.ensemble=true"]
    return [f"{name}.{setting}={OTHER[setting]}", *([f"{name}.execute=1"] if setting == "ensemble" else [])]


@pytest.mark.parametrize(("policy", "setting"), CASES)
def test_a_setting_of_acting_changes_what_acts_and_no_fit(policy: str, setting: str) -> None:
    one, two = plan_of(policy), plan_of(policy, *override(policy, setting))
    (before,), (after,) = one.cells, two.cells
    assert {kind for kind, key in before.stages.items() if after.stages[kind] != key} == {"rollout"}
    videos = {video_stage(plan, cell, 1).key for plan, cell in ((one, before), (two, after))}
    shown = {stage.key for plan in (one, two) for stage in visualize_stages(plan).values()}
    assert len(videos) == len(shown) == 2


@pytest.mark.parametrize("setting", ["offset_weight=3", "chunk=3", "history=3", "lr=0.01"])
def test_any_other_setting_changes_the_fit(setting: str) -> None:
    (before,), (after,) = plan_of("vqbet").cells, plan_of("vqbet", f"policy.vqbet.{setting}").cells
    assert before.stages["fit"] != after.stages["fit"]


def test_both_sides_are_the_whole() -> None:
    for name in registry.policies().names():
        config = component_config(registry.policies().get(name), "smoke", "pusht")
        training, acting = config.split()
        assert not training.keys() & acting.keys()
        assert {**training, **acting} == to_json(config)
        assert {"execute", "ensemble"} <= acting.keys()


def test_what_a_policy_collects_answers_to_how_it_acts() -> None:
    """Its first fit does not; the fits after a round do, because they learn from what it came to see."""
    rounds = ["policy.bet.chunk=1", "policy.bet.execute=1", "fit.dagger.rounds=2", "fit.goal=none"]
    registry.envs().add(Guided)
    try:
        plans = [plan_of("bet", *rounds, *more, env="guided") for more in ([], ["policy.bet.temperature=0.3"])]
    finally:
        registry.envs().remove(Guided.name)
    kinds: list[dict[str, Ref]] = [{stage.label: stage.ref for stage in plan.stages.values()} for plan in plans]
    changed = {label for label, ref in kinds[0].items() if kinds[1][label] != ref}
    (cell,) = plans[0].cells
    fits = [stage for stage in plans[0].stages.values() if stage.kind == "fit"]
    (first,) = [stage.label for stage in fits if stage.inputs["demos"].kind == "demos"]
    assert first not in changed
    assert {stage.label for stage in fits} - {first} <= changed
    assert {stage.label for stage in plans[0].stages.values() if stage.kind == "collect"} <= changed
    assert plans[0].stages[cell.stages["rollout"]].label in changed


def test_what_does_not_fit_together_is_refused_before_any_work() -> None:
    for wrong in (["execute=9"], ["ensemble=true"]):
        with pytest.raises(BenchmarkError, match="execute"):
            plan_of("mlp", *(f"policy.mlp.{text}" for text in wrong))
    config = component_config(registry.policies().get("diffusion"), "paper", "pusht")
    with pytest.raises(BenchmarkError, match="sample_steps=100"):
        replace(config, noise_steps=50, sample_steps=100)


@pytest.mark.parametrize("setting", ["fit.steps=7", "fit.checkpoint_every=7", "policy.knn.batch_size=7", "policy.knn.lr=0.5"])
def test_settings_of_training_are_on_the_keys_of_what_is_trained(setting: str) -> None:
    one, two = plan_of("knn"), plan_of("knn", setting)
    assert one.cells[0].stages == two.cells[0].stages
    (before,), (after,) = plan_of("mlp").cells, plan_of("mlp", setting.replace("knn", "mlp")).cells
    assert before.stages["fit"] != after.stages["fit"]


@pytest.mark.parametrize("setting", ["policy.knn.history=3", "policy.knn.chunk=3", "fit.standardise=false", "fit.proprio=true"])
def test_what_a_policy_without_training_reads_is_on_its_key(setting: str) -> None:
    one, two = (make_plan(Request(["random"], ["pusht"], ["knn"], preset="smoke", overrides=more)) for more in ([], [setting]))
    assert one.cells[0].stages["fit"] != two.cells[0].stages["fit"]


def test_what_acts_before_a_rollout_has_its_checkpoint() -> None:
    """Rounds of DAgger and images."""
    rounds = ["policy.mlp.chunk=1", "policy.mlp.execute=1", "fit.dagger.rounds=1", "fit.goal=none"]
    registry.envs().add(Guided)
    try:
        plan = plan_of("mlp", *rounds, "rollout.checkpoint=validation", env="guided")
    finally:
        registry.envs().remove(Guided.name)
    stages = [*plan.stages.values(), *visualize_stages(plan).values()]
    assert {s.kind: s.params.checkpoint for s in stages if s.kind in ("collect", "visualize", "rollout")} == {
        "collect": "validation",
        "visualize": "validation",
        "rollout": "validation",
    }
