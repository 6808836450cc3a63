"""Sketched isotropic Gaussian regularisation (LeJEPA, arXiv 2511.08544): features must look normal from every side."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.core.collective import average, processes
from benchmark.models.precision import at_least_float32

KNOTS, LIMIT = 17, 3.0  # frequencies in [0, 3] at which characteristic functions are compared (LeJEPA, MINIMAL.md)


def sigreg(x: Tensor, slices: int, rng: torch.Generator) -> Tensor:
    """Epps-Pulley statistic of samples against a standard normal, averaged over random directions: (..., N, D) -> scalar.

    lightly's `SIGReg` computes the same, but draws its directions from the global generator and lets autocast reach the
    characteristic functions.
    """
    x = at_least_float32(x)
    directions = torch.randn(x.shape[-1], slices, generator=rng, device=rng.device).to(x)
    frequency = torch.linspace(0, LIMIT, KNOTS, dtype=x.dtype, device=x.device)
    gaussian = torch.exp(-(frequency**2) / 2)
    # The integrand is even in the frequency: the trapezoidal rule over both halves is twice that over one.
    weight = torch.full_like(frequency, 2 * LIMIT / (KNOTS - 1))
    weight[:: KNOTS - 1] /= 2  # at both ends; a list of places would be copied to the device, which waits
    with torch.autocast(x.device.type, enabled=False):
        angle = (x @ (directions / directions.norm(dim=0)))[..., None] * frequency
        error = (average(angle.cos().mean(-3)) - gaussian) ** 2 + average(angle.sin().mean(-3)) ** 2
        return processes() * x.shape[-2] * (error @ (weight * gaussian)).mean()
