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
        ("resources.rollout.cores=0", r"resources: cores must be positive, not 0"),
        ("resources.rollout.minutes=inf", r"resources\.rollout\.minutes must be a finite number, not inf"),
        ("resources.rollout.memory=inf", r"resources\.rollout\.memory must be a finite number, not inf"),
        ("slurm.timeouts=-1", r"slurm\.timeouts must not be negative, but is -1"),
        ("fit.dagger.steps=0", r"fit\.dagger\.steps must be at least 1, not 0"),
    ],
)
def test_numbers_that_cannot_be_are_refused(override: str, message: str, toy: type) -> None:
    with pytest.raises(BenchmarkError, match=message):
        compose_config("toy", overrides=[override])


@pytest.mark.parametrize(
    ("policy", "setting", "message"),
    [
        ("act", "dropout=1.5", r"dropout is a probability below 1, not 1.5"),
        ("act", "heads=3", r"width=16 is not a multiple of heads=3"),
        ("act", "style=0", r"style must be at least 1, not 0"),
        ("bet", "dropout=1", r"dropout is a probability below 1, not 1"),
        ("diffusion", "noise_steps=0", r"noise_steps must be at least 1, not 0"),
        ("diffusion", "width=2 policy.diffusion.heads=1", r"width=2 has no room"),
        ("flow", "layers=0", r"layers must be at least 1, not 0"),
        ("gc_bc", "dropout=-0.1", r"dropout is a probability below 1, not -0.1"),
        ("knn", "history=0", r"history must be at least 1, not 0"),
        ("mlp", "depth=0", r"policy\.mlp: depth must be at least 1, not 0"),
        ("mlp", "lr=inf", "policy.mlp.lr must be a finite number"),
        ("mlp", "betas=[0.9,nan]", r"policy\.mlp: betas are fractions below 1"),
        ("mlp", "weight_decay=-1", r"weight_decay must not be negative"),
        ("mlp", "betas=[0.9,1]", r"betas are fractions below 1"),
        ("rt1", "tokens=0", r"tokens must be at least 1, not 0"),
        ("vqbet", "latent=0", r"latent must be at least 1, not 0"),
    ],
)
def test_settings_that_would_fail_in_a_fit_are_refused_before(policy: str, setting: str, message: str, toy: type) -> None:
    with pytest.raises(BenchmarkError, match=message):
        compose_config("toy", preset="smoke", policies=[policy], overrides=f"policy.{policy}.{setting}".split())


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


def test_a_split_without_one_of_its_sides_is_refused(toy: type) -> None:
    settings = ["env.toy.episodes=3", "split.held_out=0.9"]
    (cell,) = make_plan(Request(["random"], ["toy"], ["knn"], preset="smoke", overrides=settings)).cells
    assert cell.refused == "split.held_out=0.9 of 3 demonstrations leaves none to train on or to hold out"


def test_no_names_are_nothing_to_run(toy: type) -> None:
    for names in ("methods", "envs", "policies"):
        with pytest.raises(BenchmarkError, match=r"^no (methods|environments|policies): nothing to run"):
            make_plan(Request(**{"methods": ["random"], "envs": ["toy"], "policies": ["knn"], names: []}))
