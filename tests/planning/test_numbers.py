"""Numbers that no run can have, and what a plan says that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.planning.config.compose import compose_config
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store

MB = 10**6


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretrain.epochs=inf", "pretraining budget must be positive and finite"),
        ("pretrain.epochs=nan", "pretraining budget must be positive and finite"),
        ("pretrain.steps=0", "pretraining budget must be positive"),
        ("fit.epochs=inf", "policy budget must be positive and finite"),
        ("fit.epochs=0", "policy budget must be positive"),
        ("fit.steps=-1", "policy budget must be positive"),
        ("fit.checkpoint_every=0", r"fit\.checkpoint_every must be at least 1, not 0"),
        ("rollout.timeout=inf", r"rollout\.timeout is a number of seconds"),
        ("machine.threads=-1", r"machine\.threads must be from 1 to 1024, not -1"),
        ("machine.threads=100000", r"machine\.threads must be from 1 to 1024, not 100000"),
        ("machine.processes=0", r"machine\.processes must be from 1 to 1024, not 0"),
        ("machine.accumulate=0", r"machine\.accumulate must be from 1 to 65536, not 0"),
        ("machine.workers=-1", r"machine\.workers must be from 0 to 1024, not -1"),
        ("joint.rates=['*:inf']", r"joint\.rates must be finite"),
    ],
)
def test_numbers_that_cannot_be_are_refused(override: str, message: str, toy: type) -> None:
    with pytest.raises(BenchmarkError, match=message):
        compose_config("toy", overrides=[override])


def test_a_small_plan_is_not_said_to_need_what_a_large_network_does(toy: type, store: Store) -> None:
    plan = make_plan(Request(methods=["state", "random"], envs=["toy"], policies=["knn"], preset="smoke"))
    needed = {key: cost.bytes for key, cost in estimate(plan.stages, store).items() if plan.stages[key].kind == "pretrain"}
    assert len(needed) == 2
    assert max(needed.values()) <= MB


def test_what_is_stored_is_not_estimated_from_all_that_is(toy: type, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rates of a store are in every manifest of it."""
    plan = make_plan(Request(methods=["random"], envs=["toy"], policies=["knn"], preset="smoke"))
    monkeypatch.setattr(store, "has", lambda kind, key: True)
    monkeypatch.setattr(store, "keys", None)
    assert estimate(plan.stages, store) == {}


def test_a_stage_costs_what_it_would_without_the_others_of_its_plan(store: Store) -> None:
    """Seeds share an estimate; rows, environments, policies, rounds and what is stored do not."""
    rounds = ("fit.dagger.rounds=2", "policy.vqbet.chunk=1", "policy.vqbet.execute=1")
    request = Request(methods=("dynamo", "byol", "byol:lr=1e-3"), envs=("kitchen", "open_drawer"), policies=("vqbet",), seeds=2)
    for overrides in ((), rounds):
        stages = make_plan(replace(request, overrides=overrides)).stages

        def behind(key: str, stages: Mapping[str, Stage] = stages) -> dict[str, Stage]:
            found = {key: stages[key]}
            for ref in stages[key].inputs.values():
                found |= behind(ref.key)
            return found

        together = estimate(stages, store)
        assert together == {key: estimate(behind(key), store)[key] for key in stages}
        assert len(set(together.values())) > len({stage.kind for stage in stages.values()})
