"""Proprioception and language on their way to a policy: in training and in rollouts the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark import registry
from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec
from benchmark.core.seeds import torch_rng
from benchmark.data.chunks import ChunkSampler
from benchmark.models.agent import Agent
from benchmark.policies.mlp import MLPConfig
from benchmark.simulation.agent import AgentController
from benchmark.simulation.protocol import Slots

FEATURES, PROPRIO, LANGUAGE, ACTIONS, STEPS = 3, 2, 4, 2, 9


class Mean(Encoder):
    dim = FEATURES

    def pooled(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3))


class Fused(Policy):
    """Knows features only, and notes what it is given."""

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator], **more: Any) -> Tensor:
        self.seen = {"features": features.clone(), **more}
        return torch.zeros(len(features), self.config.chunk, ACTIONS)


class Separate(Fused):
    inputs = ("features", "proprio", "language")


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(2, 3, shape).astype(np.float32)


def make(policy: type[Policy], config: PolicyConfig) -> Agent:
    spec = PolicySpec(FEATURES, ACTIONS, proprio_dim=PROPRIO, language_dim=LANGUAGE)
    agent = Agent.build(policy, config, spec).eval()
    agent.fit_normalizers(numbers(50, FEATURES), numbers(50, ACTIONS), proprio=10 * numbers(50, PROPRIO))
    return agent


@pytest.mark.parametrize("policy", [Fused, Separate])
def test_a_policy_sees_in_a_rollout_what_it_saw_in_training(policy: type[Fused]) -> None:
    config = PolicyConfig(history=3, stride=2, chunk=2, execute=1)
    agent = make(policy, config)
    frames = np.random.default_rng(0).integers(0, 256, (STEPS, 1, 4, 4, 3), np.uint8)
    features = torch.from_numpy(frames[:, 0].astype(np.float32).mean((1, 2)))
    proprio, language = torch.from_numpy(20 * numbers(STEPS, PROPRIO)), torch.from_numpy(numbers(1, LANGUAGE))
    takes_language = "language" in policy.inputs
    sampler = ChunkSampler(
        agent.observe(features, proprio),
        torch.zeros(STEPS, ACTIONS),
        np.array([0]),
        np.array([STEPS]),
        np.array([0]),
        config,
        proprio=agent.separate(proprio),
        language=language if takes_language else None,
    )
    controller = AgentController(Mean(), agent, slots=2, language=(lambda seed: language[seed]) if takes_language else None)
    samples = sampler.all()
    controller.begin(1, 0)
    for t in range(STEPS):
        flags, none = np.array([False, True]), np.zeros((2, 0), np.float32)
        now = np.stack([proprio[0].numpy(), proprio[t].numpy()])
        controller.act(Slots(flags, np.array([0, t]), np.stack([frames[0], frames[t]]), flags, now, none))
        seen = agent.policy.seen
        torch.testing.assert_close(seen["features"][1], samples.features[t])
        by_hand = (proprio[[max(t - back, 0) for back in (4, 2, 0)]] - agent.proprio.shift) / agent.proprio.scale
        if policy is Fused:
            assert set(seen) == {"features"}
            torch.testing.assert_close(seen["features"][1][:, FEATURES:], by_hand)
        else:
            torch.testing.assert_close(seen["proprio"][1], samples.proprio[t])
            torch.testing.assert_close(seen["proprio"][1], by_hand)
            torch.testing.assert_close(seen["language"][1], samples.language[t])
            assert seen["features"].shape[2] == FEATURES


def test_nothing_of_the_episode_before_is_left() -> None:
    agent = make(Fused, PolicyConfig(history=2, stride=1))
    controller = AgentController(Mean(), agent, slots=1)
    flag, none = np.array([True]), np.zeros((1, 0), np.float32)
    frames = np.zeros((1, 1, 4, 4, 3), np.uint8)
    for seed in (0, 1):
        controller.begin(0, seed)
        for t in range(3):
            controller.act(Slots(flag, np.array([t]), frames, flag, np.full((1, PROPRIO), 10 * seed + t, np.float32), none))
            expected = torch.tensor([[10.0 * seed + max(t - 1, 0)], [10.0 * seed + t]]).expand(2, PROPRIO)
            raw = agent.policy.seen["features"][0, :, FEATURES:] * agent.proprio.scale + agent.proprio.shift
            torch.testing.assert_close(raw, expected)


def test_statistics_and_sizes_are_those_of_training_rows() -> None:
    agent = make(Fused, PolicyConfig())
    assert agent.policy.spec == PolicySpec(FEATURES + PROPRIO, ACTIONS)
    torch.testing.assert_close(agent.proprio.shift, torch.from_numpy(10 * numbers(50, PROPRIO).mean(0)), rtol=1e-4, atol=1e-4)
    assert make(Separate, PolicyConfig()).policy.spec == PolicySpec(FEATURES, ACTIONS, 0, PROPRIO, LANGUAGE)
    without = Agent.build(Fused, PolicyConfig(), PolicySpec(FEATURES, ACTIONS))
    assert not any(name.startswith("proprio") for name in without.state_dict())
    with pytest.raises(ValueError, match="needs its training rows"):
        agent.fit_normalizers(numbers(5, FEATURES), numbers(5, ACTIONS))


@pytest.mark.parametrize("name", ["mlp", "knn"])
def test_a_head_learns_what_only_proprioception_tells(name: str) -> None:
    """Features are noise, the action is a function of proprioception: with it a head finds out, without it cannot."""
    cls = registry.policies().get(name)
    config = MLPConfig(hidden=32, depth=2, lr=3e-3) if name == "mlp" else cls.Config()
    rng = np.random.default_rng(0)
    features, proprio = rng.normal(size=(400, FEATURES)), rng.uniform(-1, 1, (400, PROPRIO))
    tables = {"features": features, "proprio": 100 * proprio, "actions": np.sin(2 * proprio)}
    rows = {key: torch.from_numpy(value.astype(np.float32)) for key, value in tables.items()}
    starts, ends, train, test = np.arange(0, 400, 20), np.arange(20, 401, 20), np.arange(16), np.arange(16, 20)
    errors = {}
    for given in (0, PROPRIO):
        torch.manual_seed(0)
        agent = Agent.build(cls, config, PolicySpec(FEATURES, ACTIONS, proprio_dim=given))
        seen = rows["proprio"] if given else None
        agent.fit_normalizers(rows["features"][:320], rows["actions"][:320], proprio=None if seen is None else seen[:320])
        table = agent.observe(rows["features"], seen), agent.actions(rows["actions"]), starts, ends
        agent.policy.prepare(ChunkSampler(*table, train, config).all(), torch_rng("prepare"))
        if cls.learns:
            sampler, optimizer = ChunkSampler(*table, train, config), torch.optim.Adam(agent.policy.parameters(), 3e-3)
            for step in range(200):
                loss, _ = agent.policy.loss(sampler.batch_at(step), torch_rng("loss", step))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        held_out = ChunkSampler(rows["features"], rows["actions"], starts, ends, test, config, proprio=seen).all()
        given_to = Observations(proprio=held_out.proprio)
        actions = agent.eval().act(held_out.features, given_to, [torch_rng("act")] * len(held_out.features))
        errors[given] = float((actions[:, 0] - held_out.actions[:, 0]).square().mean() / rows["actions"].var())
    assert errors[PROPRIO] < 0.15 < 0.8 < errors[0]
