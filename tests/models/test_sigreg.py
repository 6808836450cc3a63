"""SIGReg against the integral it approximates, against lightly's, and as a judge of distributions."""

import lightly.loss
import torch

from benchmark.core.seeds import torch_rng
from benchmark.models.sigreg import sigreg


def test_it_is_the_epps_pulley_statistic_averaged_over_directions():
    """N times the integral over all frequencies of |empirical - normal characteristic function|^2, weighted by a Gaussian."""
    x = torch.randn(20, 3, dtype=torch.float64, generator=torch_rng("x")) * 1.7 + 0.4
    directions = torch.randn(3, 8, generator=torch_rng("directions")).double()
    expected = 0.0
    for direction in directions.T:
        projected = x @ (direction / direction.norm())
        total = 0.0
        knots = torch.linspace(-3, 3, 33, dtype=torch.float64)
        for i, t in enumerate(knots):
            empirical = torch.exp(1j * t * projected).mean()
            end = 0.5 if i in (0, 32) else 1.0
            total += end * 6 / 32 * (empirical - torch.exp(-(t**2) / 2)).abs() ** 2 * torch.exp(-(t**2) / 2)
        expected += 20 * total / 8
    torch.testing.assert_close(sigreg(x, 8, torch_rng("directions")), expected, rtol=1e-9, atol=0)


def test_it_is_lightlys_for_the_same_directions():
    x = torch.randn(2, 32, 5, generator=torch_rng("x"))
    torch.manual_seed(3)
    expected = lightly.loss.SIGReg(num_vectors=64)(x)
    torch.testing.assert_close(sigreg(x, 64, torch.Generator().manual_seed(3)), expected)


def test_leading_axes_are_judged_separately():
    x = torch.randn(3, 40, 4, dtype=torch.float64, generator=torch_rng("x")) + torch.tensor([-2.0, 0, 2])[:, None, None]
    together = sigreg(x, 16, torch_rng("directions"))
    one_by_one = torch.stack([sigreg(part, 16, torch_rng("directions")) for part in x]).mean()
    torch.testing.assert_close(together, one_by_one)


def test_only_a_standard_normal_pleases_it():
    normal = torch.randn(2000, 4, generator=torch_rng("x"))
    good = sigreg(normal, 64, torch_rng("d"))
    collapsed, scaled = torch.zeros_like(normal), 0.3 * normal
    flat = normal.clone()
    flat[:, 1:] = normal[:, :1]
    for bad in (collapsed, scaled, flat, normal + 1):
        assert sigreg(bad, 64, torch_rng("d")) > 10 * good


def test_the_generator_alone_decides():
    x = torch.randn(16, 4)
    torch.manual_seed(1)
    first = sigreg(x, 8, torch_rng("d"))
    torch.manual_seed(2)
    assert torch.equal(first, sigreg(x, 8, torch_rng("d")))
    assert not torch.equal(first, sigreg(x, 8, torch_rng("e")))


def test_autocast_does_not_reach_it():
    x = torch.randn(16, 4)
    with torch.autocast("cpu", torch.bfloat16):
        inside = sigreg(x, 8, torch_rng("d"))
    assert torch.equal(inside, sigreg(x, 8, torch_rng("d")))
