"""VICReg and VICReg-T: three terms against their formulas, and what happens without the one that prevents collapse."""

import pytest
import torch

from benchmark.contracts.method import BatchSpec
from benchmark.core.seeds import torch_rng
from benchmark.methods.vicreg import VICReg, VICRegT
from tests.learning import build, descend, loss_of, unreached


@pytest.mark.parametrize(("cls", "frames"), [(VICReg, 1), (VICRegT, 2)])
def test_loss_is_the_published_one(cls, frames, data, make_batch):
    """Equations 1 to 6 with loops, in float64, with the weights 25, 25, 1 and halves of the variance as in its code."""
    method = build(cls, data, out=6).double()
    batch = make_batch(frames)
    a, b = (method.projector(method.encoder(v)) for v in method.views(batch, torch_rng("test")))
    n, d = a.shape
    invariance = sum((x - y) @ (x - y) for x, y in zip(a, b, strict=True)) / (n * d)
    variance, covariance = 0.0, 0.0
    for z in (a, b):
        centred = z - z.mean(0)
        for j in range(d):
            variance += torch.relu(1 - torch.sqrt(centred[:, j] @ centred[:, j] / (n - 1) + 1e-4)) / d / 2
            covariance += sum((centred[:, i] @ centred[:, j] / (n - 1)) ** 2 for i in range(d) if i != j) / d
    expected = 25 * invariance + 25 * variance + covariance
    assert loss_of(method, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_vicreg_t_pairs_adjacent_frames():
    assert VICReg.batch_spec(VICReg.Config()) == BatchSpec(images=2)
    assert VICRegT.batch_spec(VICRegT.Config()) == BatchSpec(window=2, stride=1)


def test_it_learns_and_gradient_reaches_everything(data, make_batch):
    method = build(VICReg, data)
    assert unreached(method, make_batch(1)) == []
    curve = descend(method, make_batch(1, size=8), 4)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_the_variance_term_holds_dimensions_up(data, make_batch):
    """What is logged is the hinge: 0 when every dimension has a deviation of 1, 1 when all are constant."""
    batch = make_batch(1, size=8)
    held, free = (descend(build(VICReg, data, variance=weight), batch, 10)[-1]["variance"] for weight in (25.0, 0.0))
    assert held < free - 0.05
