"""Target networks."""

import math

import pytest
import torch
from torch import nn

from benchmark.models.ema import EMA, cosine_momentum


def network():
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


def test_update_is_the_published_average():
    torch.manual_seed(0)
    online = network().double()
    ema = EMA(online)
    for p in online.parameters():
        nn.init.normal_(p)
    expected = [0.9 * t + (1 - 0.9) * o for t, o in zip(ema.target.parameters(), online.parameters(), strict=True)]
    ema.update(online, 0.9)
    for value, target in zip(expected, ema.target.parameters(), strict=True):
        torch.testing.assert_close(target, value, rtol=1e-12, atol=1e-12)


def test_target_is_a_copy_that_is_not_trained():
    online = network()
    ema = EMA(online)
    assert not any(p.requires_grad for p in ema.parameters())
    assert not ema(torch.rand(3, 4)).requires_grad
    with torch.no_grad():
        online[0].weight.zero_()
    assert ema.target[0].weight.any()


def test_batch_norm_of_the_target_sees_the_batch():
    """In training the target normalises with batch statistics and tracks its own; the defect of DynaMo's release is neither."""
    torch.manual_seed(0)
    ema = EMA(network()).train()
    x = 3 + 2 * torch.rand(64, 4)
    hidden = ema.target[1](ema.target[0](x))
    torch.testing.assert_close(hidden.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    assert ema.target[1].running_mean.any()


@pytest.mark.parametrize(("step", "expected"), [(0, 0.99), (50, 0.995), (100, 1.0)])
def test_momentum_rises_along_half_a_cosine(step, expected):
    assert math.isclose(cosine_momentum(0.99, step, 100), expected)
