"""What every policy head promises, over whatever is registered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark import registry
from benchmark.contracts.data import Chunks
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.contracts.specs import PolicySpec
from benchmark.stages.fit import size_of
from tests.policies.prepared import prepare

SPEC = PolicySpec(feature_dim=6, action_dim=2)
GOALS = PolicySpec(feature_dim=6, action_dim=2, goal_dim=3)
ENVS = ("kitchen", "block_push", "pusht", "libero_goal")
HEADS = registry.policies().names()
LEARNERS = [name for name in HEADS if registry.policies().get(name).learns]
SAMPLERS = ["bet", "diffusion", "flow", "vqbet"]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str, spec: PolicySpec = SPEC, **changes):
    cls = registry.policies().get(name)
    torch.manual_seed(0)
    return cls(replace(component_config(cls, "smoke", "kitchen"), **changes), spec)


def samples(config, spec: PolicySpec = SPEC, n: int = 64, seed: int = 0) -> Chunks:
    """Actions that are a smooth function of the newest observation; some chunks end early."""
    features = torch.randn(n, config.history, spec.feature_dim, generator=rng(seed))
    time = torch.arange(config.chunk)
    actions = torch.sin(features[:, -1, None, : spec.action_dim] + 0.3 * time[None, :, None])
    valid = time[None] < torch.randint(1, config.chunk + 1, (n, 1), generator=rng(seed))
    goal = torch.randn(n, spec.goal_dim, generator=rng(seed)) if spec.goal_dim else None
    return Chunks(features, actions, valid, goal, taken=torch.sin(features[..., : spec.action_dim]))


def prepared(name: str, spec: PolicySpec = SPEC, **changes):
    policy = build(name, spec, **changes)
    batch = samples(policy.config, spec)
    prepare(policy, batch, rng())
    return policy, batch


def learn(policy, batch: Chunks, steps: int, lr: float = 3e-3) -> None:
    policy.train()
    optimizer = torch.optim.AdamW([p for g in policy.groups() for p in g.params], lr=lr, weight_decay=0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        loss, _ = policy.loss(batch, rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        policy.after_step(step, steps)
    policy.eval()


@pytest.mark.parametrize("name", LEARNERS)
def test_learning_lowers_the_loss(name):
    policy, batch = prepared(name)

    def loss() -> float:
        return sum(policy.loss(batch, rng(i))[0].item() for i in range(8))

    before = loss()
    learn(policy, batch, 60)
    assert loss() < 0.85 * before


@pytest.mark.parametrize("spec", [SPEC, GOALS], ids=["plain", "goal"])
@pytest.mark.parametrize("name", LEARNERS)
def test_gradient_reaches_every_trainable_tensor(name, spec):
    policy, batch = prepared(name, spec)
    batch.features.requires_grad_(True)  # encoders that are fine-tuned train through the features
    policy.train()
    # Several draws: a step of the noise process or a sampled code touches a part only.
    sum(policy.loss(batch, rng(i))[0] for i in range(8)).backward()
    trained = {id(p) for g in policy.groups() for p in g.params}
    untouched = [n for n, p in policy.named_parameters() if id(p) in trained and (p.grad is None or not p.grad.abs().sum() > 0)]
    assert untouched == []
    assert batch.features.grad.abs().sum(-1).gt(0).any(0).all()  # of every observation in the history
    assert trained == {id(p) for p in policy.parameters() if p.requires_grad}


@pytest.mark.parametrize("name", LEARNERS)
def test_loss_is_a_function_of_the_batch_and_the_generator(name):
    policy, batch = prepared(name)
    policy.eval()
    assert policy.loss(batch, rng(3))[0].item() == policy.loss(batch, rng(3))[0].item()


@pytest.mark.parametrize("name", [name for name in LEARNERS if name not in ("bet", "vqbet")])
def test_padded_actions_do_not_count(name):
    """Heads that classify whole chunks need the padding for the class; everything that regresses must not see it."""
    policy, batch = prepared(name)
    policy.eval()
    other = replace(batch, actions=torch.where(batch.valid[..., None], batch.actions, 0.123))
    torch.testing.assert_close(policy.loss(batch, rng(1))[0], policy.loss(other, rng(1))[0])


@pytest.mark.parametrize("name", HEADS)
def test_act_depends_on_the_row_and_its_generator_only(name):
    policy, batch = prepared(name)
    policy.eval()
    features = batch.features[:4]
    global_state = torch.random.get_rng_state()
    together = policy.act(features, None, [rng(i) for i in range(4)])
    assert together.shape == (4, policy.config.chunk, SPEC.action_dim)
    assert torch.equal(global_state, torch.random.get_rng_state())
    shuffled = policy.act(features[[2, 0, 3, 1]], None, [rng(2), rng(0), rng(3), rng(1)])
    torch.testing.assert_close(shuffled, together[[2, 0, 3, 1]])
    others = policy.act(torch.cat([features[:1], torch.randn(3, *features.shape[1:])]), None, [rng(0), *map(rng, (7, 8, 9))])
    torch.testing.assert_close(others[0], together[0])


@pytest.mark.parametrize("name", HEADS)
def test_the_state_dict_restores_the_policy(name):
    policy, batch = prepared(name)
    if policy.learns:
        learn(policy, batch, 3)
    fresh = build(name)
    fresh.load_state_dict({k: v.clone() for k, v in policy.state_dict().items()})
    arguments = batch.features[:5], None
    expected = policy.eval().act(*arguments, [rng(i) for i in range(5)])
    assert torch.equal(fresh.eval().act(*arguments, [rng(i) for i in range(5)]), expected)


@pytest.mark.parametrize("name", HEADS)
def test_goals_change_what_is_done(name):
    policy, batch = prepared(name, GOALS)
    if policy.learns:
        learn(policy, batch, 100)
    act = [policy.act(batch.features[:8], batch.goal[order], [rng(i) for i in range(8)]) for order in (range(8), range(8, 16))]
    assert not torch.allclose(*act)


def test_bet_drops_a_tenth_as_published():
    """notmahi/bet, models/latent_generators/mingpt.py: embeddings, attention and residual branches, at 0.1 each."""
    cls = registry.policies().get("bet")
    torch.manual_seed(0)
    policy = cls(component_config(cls, "paper", "kitchen"), SPEC)
    rates = {module.p for module in policy.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {0.1}
    x = torch.ones(1, policy.config.history, SPEC.feature_dim)
    assert not torch.equal(policy.trunk(x), policy.trunk(x))


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", HEADS)
def test_presets_are_valid(name, preset, env):
    config = component_config(registry.policies().get(name), preset, env)
    if preset in ("quick", "standard"):
        # Then frames between two plans are never rendered.
        assert config.history == 1 or config.stride % config.execute == 0


def bimodal(config) -> Chunks:
    """At each of 16 places half of the demonstrators go left, half right."""
    n = 256
    features = torch.randn(16, config.history, SPEC.feature_dim, generator=rng()).repeat(n // 16, 1, 1)
    side = torch.where(torch.arange(n) < n // 2, 1.0, -1.0)[:, None, None]
    actions = side + 0.05 * torch.randn(n, config.chunk, SPEC.action_dim, generator=rng(1))
    return Chunks(features, actions, torch.ones(n, config.chunk, dtype=torch.bool))


@pytest.mark.parametrize("name", [*SAMPLERS, "mlp", "knn"])
def test_two_modes(name):
    """Heads that sample keep both ways and go one of them; regression goes down the middle, where nobody went."""
    changes = {
        "diffusion": {"chunk": 2, "width": 32, "noise_steps": 50, "sample_steps": 10},
        "flow": {"chunk": 2, "width": 32, "sample_steps": 10},
        "knn": {"k": 16},
    }
    policy = build(name, **changes.get(name, {}))
    batch = bimodal(policy.config)
    prepare(policy, batch, rng())
    if policy.learns:
        learn(policy, batch, 400)
    with torch.no_grad():
        chunks = policy.act(batch.features, None, [rng(i) for i in range(len(batch.features))])
    side = chunks.mean((1, 2))
    near = ((chunks - side.sign()[:, None, None]).abs() < 0.5).flatten(1).all(1).float().mean()
    right = (side > 0).float().mean()
    if name in SAMPLERS:
        assert near > 0.65
        assert 0.3 < right < 0.7
    else:
        assert near == 0
        assert side.abs().mean() < 0.1


@pytest.mark.parametrize("name", ["diffusion", "flow"])
def test_averaged_weights_act_and_are_validated_and_the_others_are_trained(name):
    policy, batch = prepared(name, dropout=0.0)

    def outcome() -> list[torch.Tensor]:
        with torch.no_grad():
            acted = policy.eval().act(batch.features[:5], None, [rng(i) for i in range(5)])
            return [acted, policy.loss(batch, rng())[0], policy.train().loss(batch, rng())[0]]

    def change(net: torch.nn.Module) -> list[bool]:
        before = outcome()
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return [torch.equal(*pair) for pair in zip(before, outcome(), strict=True)]

    assert change(policy.net) == [True, True, False]
    assert change(policy.average) == [False, False, True]


@pytest.mark.parametrize("name", ["diffusion", "flow"])
def test_a_network_and_its_average_count_once(name: str) -> None:
    cls = registry.policies().get(name)
    policy: Any = cls(component_config(cls, "smoke", "fake"), PolicySpec(6, 3))
    assert size_of(policy) == sum(p.numel() for p in policy.average.target.parameters())
    assert size_of(policy) == sum(p.numel() for p in policy.net.parameters()) > 0


def test_what_does_not_learn_with_a_head_counts_all_the_same() -> None:
    cls = registry.policies().get("vqbet")
    policy = cls(component_config(cls, "smoke", "fake"), PolicySpec(6, 3))
    assert size_of(policy) == sum(p.numel() for p in policy.parameters()), "codes are decoded by a network that is done"
