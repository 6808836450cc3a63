"""What every policy promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from benchmark import registry
from benchmark.conformance.common import check_preset_names, ensure, tensors
from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy
from benchmark.contracts.specs import PolicySpec
from benchmark.core.seeds import seed, torch_rng
from benchmark.planning.config.compose import component_config
from benchmark.planning.config.schema import PRESETS

SPEC = PolicySpec(feature_dim=6, action_dim=3)


def _chunks(config: Any, goal_dim: int = 0, samples: int = 64) -> Chunks:
    """Samples in which the action is a function of the newest feature."""
    rng = torch_rng("conformance", "chunks")
    features = torch.randn(samples, config.history, SPEC.feature_dim, generator=rng)
    actions = torch.tanh(features[:, -1:, : SPEC.action_dim]).repeat(1, config.chunk, 1)
    goal = torch.randn(samples, goal_dim, generator=rng) if goal_dim else None
    return Chunks(features, actions, torch.ones(samples, config.chunk, dtype=torch.bool), goal)


def _policy(cls: type[Policy], spec: PolicySpec = SPEC) -> Policy:
    torch.manual_seed(seed("conformance"))
    policy = cls(component_config(cls, "smoke", "fake"), spec)
    policy.prepare(_chunks(policy.config, spec.goal_dim), torch_rng("conformance", "prepare"))
    return policy


def policy_presets(cls: type[Policy]) -> None:
    """Presets set only fields that exist, to values that are allowed."""
    check_preset_names(cls)
    for preset in PRESETS:
        for env in registry.envs().names():
            component_config(cls, preset, env)


def policy_acts(cls: type[Policy]) -> None:
    """Actions are finite chunks of the declared size, with and without a goal."""
    for goal_dim in (0, 4):
        policy = _policy(cls, PolicySpec(SPEC.feature_dim, SPEC.action_dim, goal_dim)).eval()
        batch = _chunks(policy.config, goal_dim, samples=5)
        actions = policy.act(batch.features, batch.goal, [torch_rng("row", i) for i in range(5)])
        ensure(actions.shape == (5, policy.config.chunk, SPEC.action_dim), f"shape {tuple(actions.shape)}")
        ensure(bool(actions.isfinite().all()), "actions are not finite")


def policy_rows_are_independent(cls: type[Policy]) -> None:
    """An episode's actions depend on its own observations and generator, not on the rows beside it."""
    policy = _policy(cls).eval()
    batch = _chunks(policy.config, samples=5)
    first = policy.act(batch.features, None, [torch_rng("row", i) for i in range(5)])
    changed = batch.features.clone()
    changed[1:] = changed[1:].flip(0)
    second = policy.act(changed, None, [torch_rng("row", i if i == 0 else 90 + i) for i in range(5)])
    torch.testing.assert_close(first[0], second[0], rtol=1e-5, atol=1e-6)


def policy_round_trip(cls: type[Policy]) -> None:
    """A fresh policy with stored tensors loaded into it acts the same."""
    policy = _policy(cls).eval()
    other = cls(policy.config, SPEC)
    other.load_state_dict(load(save(tensors(policy))))
    batch = _chunks(policy.config, samples=5)
    act = lambda p: p.act(batch.features, None, [torch_rng("row", i) for i in range(5)])  # noqa: E731
    ensure(torch.equal(act(policy), act(other.eval())), "actions differ after loading")


def policy_learns(cls: type[Policy]) -> None:
    """The loss is finite, falls on a fixed batch, and its gradient reaches every tensor that is trained."""
    if not cls.learns:
        return
    policy = _policy(cls).train()
    batch = _chunks(policy.config)
    params = [p for g in policy.groups() for p in g.params]
    optimizer = torch.optim.Adam(params, lr=1e-3)
    losses = []
    for step in range(30):
        loss, _ = policy.loss(batch, torch_rng("conformance", "loss"))
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            missed = [n for n, p in policy.named_parameters() if p.requires_grad and p.grad is None]
            ensure(not missed, f"no gradient reaches {', '.join(missed[:5])}")
        optimizer.step()
        policy.after_step(step, 30)
        losses.append(loss.item())
    ensure(bool(np.isfinite(losses).all()) and losses[-1] < losses[0], f"loss went from {losses[0]:.4g} to {losses[-1]:.4g}")


PROMISES = (policy_presets, policy_acts, policy_rows_are_independent, policy_round_trip, policy_learns)
