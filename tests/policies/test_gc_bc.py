"""GC-BC: a Gaussian of deviation 1."""

from __future__ import annotations

import torch

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies.gc_bc import GCBC, GCBCConfig


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(spec: PolicySpec, config: GCBCConfig, n: int = 6) -> Chunks:
    shape = n, config.chunk, spec.action_dim
    valid = torch.arange(config.chunk)[None] < torch.tensor([1, 2, 2, 1, 2, 2])[:, None]
    features = torch.randn(n, config.history, spec.feature_dim, generator=rng())
    goal = torch.randn(n, spec.goal_dim, generator=rng(1)) if spec.goal_dim else None
    return Chunks(features, torch.randn(shape, generator=rng(2)), valid, goal)


def test_the_loss_is_the_negative_log_likelihood_of_the_actions_that_exist():
    torch.manual_seed(0)
    config, spec = GCBCConfig(chunk=2, dropout=0.0), PolicySpec(5, 7, goal_dim=4)
    policy = GCBC(config, spec)
    batch = samples(spec, config)
    means = policy.act(batch.features, batch.goal, [rng()] * 6)
    likelihood = torch.distributions.Normal(means, 1.0).log_prob(batch.actions).sum(-1)
    loss, logs = policy.loss(batch, rng())
    torch.testing.assert_close(loss + 6.4326, -likelihood[batch.valid].mean(), atol=1e-4, rtol=0)
    torch.testing.assert_close(logs["mse"], (means - batch.actions)[batch.valid].square().mean())


def test_parameters_as_published():
    """Three layers of 256 and seven actions on 512 features: 0.26M."""
    policy = GCBC(GCBCConfig(), PolicySpec(512, 7))
    assert sum(parameter.numel() for parameter in policy.parameters()) == 264_711


def test_a_tenth_is_dropped_in_training_only():
    policy = GCBC(GCBCConfig(), spec := PolicySpec(5, 2))
    assert {module.p for module in policy.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}
    features = samples(spec, GCBCConfig(chunk=2)).features
    assert not torch.equal(policy._mean(features, None), policy._mean(features, None))
    policy.eval()
    assert torch.equal(policy._mean(features, None), policy._mean(features, None))
