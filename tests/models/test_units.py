"""Actions in units of their deviation, whatever the unit they came in."""

from __future__ import annotations

import pytest
import torch

from benchmark.models.units import in_deviations


@pytest.mark.parametrize("unit", [512.0, 1.0, 3e-3, 3e-4])
def test_every_dimension_has_variance_one_in_any_unit(unit: float) -> None:
    x = unit * (torch.randn(8, 5, 3, generator=torch.Generator().manual_seed(0)) + torch.arange(3))
    z = in_deviations(x)
    assert (z.shape, z.dtype) == (x.shape, x.dtype)
    torch.testing.assert_close(z.flatten(0, 1).mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.flatten(0, 1).var(0, correction=0), torch.ones(3), atol=2e-3, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.04, 512.3])
def test_what_never_varies_is_zero(value: float) -> None:
    assert in_deviations(torch.full((37, 1), value)).abs().max() < 1e-4
