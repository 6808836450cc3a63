"""SimSiam and SimSiam-T: the loss, the stop-gradient that holds it up, and the predictor's learning rate."""

import pytest
import torch

from benchmark.contracts.method import BatchSpec
from benchmark.core.seeds import torch_rng
from benchmark.methods.simsiam import SimSiam, SimSiamT
from tests.learning import build, descend, loss_of, unreached


@pytest.mark.parametrize(("cls", "frames"), [(SimSiam, 1), (SimSiamT, 2)])
def test_loss_is_the_published_one(cls, frames, data, make_batch):
    """Equation 4, D(p1, z2) / 2 + D(p2, z1) / 2 with D the negative cosine, in float64; ours is 1 higher."""
    method = build(cls, data).double()
    batch = make_batch(frames)
    z1, z2 = (method.projector(method.encoder(v)) for v in method.views(batch, torch_rng("test")))
    expected = 0.0
    for predictions, targets in ((method.predictor(z1), z2), (method.predictor(z2), z1)):
        for p, z in zip(predictions, targets, strict=True):
            expected -= (p @ z / (p.norm() * z.norm())).item() / len(z1) / 2
    assert loss_of(method, batch).item() == pytest.approx(expected + 1, rel=1e-6)


def test_simsiam_t_pairs_adjacent_frames():
    assert SimSiam.batch_spec(SimSiam.Config()) == BatchSpec(images=2)
    assert SimSiamT.batch_spec(SimSiamT.Config()) == BatchSpec(window=2, stride=1)


def test_no_gradient_flows_through_the_target(data, make_batch):
    """With a predictor that is blind, all gradient of the encoder comes through the targets."""
    for stop_gradient, reached in ((True, False), (False, True)):
        method = build(SimSiam, data, stop_gradient=stop_gradient)
        for layer in method.predictor.layers:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.zeros_(layer.weight)
        torch.nn.init.normal_(method.predictor.layers[-1].bias)
        loss_of(method, make_batch(1)).backward()
        assert bool(method.encoder.trunk.conv1.weight.grad.any()) == reached


def test_it_learns_and_gradient_reaches_everything(data, make_batch):
    method = build(SimSiam, data)
    assert unreached(method, make_batch(1)) == []
    curve = descend(method, make_batch(1, size=8), 4)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_the_predictor_keeps_its_learning_rate(data):
    encoder, predictor = build(SimSiam, data).groups()
    assert encoder.scheduled
    assert not predictor.scheduled


def test_without_stop_gradient_the_loss_drops_sooner(data, make_batch):
    """The shortcut that stop-gradient closes (figure 2 of the paper): views agree by becoming the same."""
    batch = make_batch(1, size=8)
    held, free = (descend(build(SimSiam, data, stop_gradient=stop), batch, 12) for stop in (True, False))
    assert free[-1]["loss"] < held[-1]["loss"] - 0.1
    assert free[-1]["spread"] < held[-1]["spread"]
