import pytest
import torch

from benchmark.models.collapse import spread


def test_directions_that_fill_the_sphere_have_spread_one():
    assert spread(torch.randn(4000, 32)).item() == pytest.approx(1, abs=0.02)


def test_one_direction_has_spread_zero_whatever_its_length():
    assert spread(torch.rand(50, 1) * torch.ones(50, 8) + 0.1).item() == pytest.approx(0, abs=1e-6)


def test_it_takes_any_leading_axes_and_gives_no_gradient():
    x = torch.randn(4, 5, 8, requires_grad=True)
    assert torch.equal(spread(x), spread(x.flatten(0, 1)))
    assert not spread(x).requires_grad
