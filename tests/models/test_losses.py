"""Shared loss terms against their published formulas, written with loops in float64."""

import pytest
import torch

from benchmark.models.losses import cosine_distance, covariance, standardise, variance


@pytest.fixture
def x():
    return torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 6) / 3


def test_cosine_distance(x):
    y = x.roll(1, 0)
    expected = sum(1 - (a @ b) / (a.norm() * b.norm()) for a, b in zip(x, y, strict=True)) / 12
    torch.testing.assert_close(cosine_distance(x, y), expected)


def test_covariance(x):
    expected = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                entry = ((x[:, i] - x[:, i].mean()) * (x[:, j] - x[:, j].mean())).sum() / 11
                expected += entry**2 / 5
    torch.testing.assert_close(covariance(x), expected)


def test_variance(x):
    deviations = [((column - column.mean()).square().sum() / 11 + 1e-4).sqrt() for column in x.T]
    assert any(d > 1 for d in deviations)
    assert any(d < 1 for d in deviations)
    torch.testing.assert_close(variance(x), sum((1 - d).clamp(min=0) for d in deviations) / 5)


def test_standardise(x):
    z = standardise(x.view(3, 4, 5))
    assert z.shape == (3, 4, 5)
    torch.testing.assert_close(z.view(12, 5).mean(0), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(z.view(12, 5).var(0, correction=0), torch.ones(5, dtype=torch.float64), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("loss", [covariance, variance])
def test_autocast_does_not_reach_the_loss(loss, x):
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(x.float())
    assert torch.equal(inside, loss(x.float()))
