"""Flow matching: its loss and its integration, against formulas in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies.flow import Flow, FlowConfig


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(**changes) -> Flow:
    torch.manual_seed(0)
    return Flow(FlowConfig(chunk=3, layers=1, heads=2, width=8, **changes), PolicySpec(4, 2)).double().eval()


@pytest.mark.parametrize("steps", [1, 4, 10])
def test_a_rollout_takes_euler_steps_that_begin_at_time_zero(steps, monkeypatch):
    """Along the velocity 2 t - x, where t is a hundredth of the level that the network is told."""
    policy = build(sample_steps=steps)
    monkeypatch.setattr(policy.average.target, "forward", lambda x, level, _: 2 * level[:, None, None] / 100 - x)
    acted = policy.act(torch.zeros(5, 1, 4).double(), None, [rng(i) for i in range(5)])
    expected = np.stack([torch.randn(3, 2, generator=rng(i)).double().numpy() for i in range(5)])
    for time in np.arange(steps) / steps:
        expected = expected + (2 * time - expected) / steps
    np.testing.assert_allclose(acted.numpy(), expected, rtol=1e-6, atol=1e-6)


def test_the_loss_is_of_the_velocity_along_the_straight_path():
    """Noise and velocity follow from where the network was asked: x = (1 - t) noise + t actions."""
    policy, heard = build(), []
    policy.average.target.register_forward_hook(lambda _, given, answer: heard.append((*given[:2], answer)))
    valid = torch.arange(3)[None] < torch.tensor([3, 1, 2, 3, 2, 1])[:, None]
    batch = Chunks(torch.randn(6, 1, 4, generator=rng()).double(), torch.randn(6, 3, 2, generator=rng(1)).double(), valid)
    loss = policy.loss(batch, rng(2))[0].item()
    x, level, answer = (tensor.detach().double().numpy() for tensor in heard[0])
    time, actions = level[:, None, None] / 100, batch.actions.numpy()
    noise = (x - time * actions) / (1 - time)
    assert loss == pytest.approx(((answer - (actions - noise)) ** 2)[valid.numpy()].mean(), rel=1e-4)
    assert len(np.unique(level)) == 6
    assert ((time >= 0) & (time < 1)).all()
