"""LeJEPA and LeJEPA-T: agreement and Gaussianity, and what happens without the second."""

import pytest

from benchmark.contracts.method import BatchSpec
from benchmark.core.seeds import torch_rng
from benchmark.methods.lejepa import LeJEPA, LeJEPAT
from benchmark.models.sigreg import sigreg
from tests.learning import build, descend, loss_of, unreached


@pytest.mark.parametrize(("cls", "frames"), [(LeJEPA, 1), (LeJEPAT, 2)])
def test_loss_is_the_published_one(cls, frames, data, make_batch):
    """lambda x SIGReg + (1 - lambda) x squared distance to the mean of the views; SIGReg on each view by itself."""
    method = build(cls, data, weight=0.3).double()
    batch, rng = make_batch(frames), torch_rng("test")
    a, b = (method.projector(method.encoder(v)) for v in method.views(batch, rng))
    distance = 0.0
    for x, y in zip(a, b, strict=True):
        centre = (x + y) / 2
        distance += ((x - centre) @ (x - centre) + (y - centre) @ (y - centre)) / (2 * a.numel())
    state = rng.get_state()
    judged = []
    for view in (a, b):
        rng.set_state(state)
        judged.append(sigreg(view, method.config.slices, rng))
    expected = 0.3 * sum(judged) / 2 + 0.7 * distance
    assert loss_of(method, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_lejepa_t_pairs_adjacent_frames():
    assert LeJEPA.batch_spec(LeJEPA.Config()) == BatchSpec(images=2)
    assert LeJEPAT.batch_spec(LeJEPAT.Config()) == BatchSpec(window=2, stride=1)


def test_it_learns_and_gradient_reaches_everything(data, make_batch):
    method = build(LeJEPA, data)
    assert unreached(method, make_batch(1)) == []
    curve = descend(method, make_batch(1, size=8), 4)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_gradient_flows_through_every_view(data, make_batch):
    """No teacher and no stop-gradient."""
    method = build(LeJEPA, data)
    projected = []
    method.projector.register_forward_hook(lambda module, inputs, output: projected.append(output) or output.retain_grad())
    loss_of(method, make_batch(1)).backward()
    assert len(projected) == 2
    assert all(output.grad.any() for output in projected)


def test_the_regulariser_prevents_collapse(data, make_batch):
    batch = make_batch(1, size=8)
    held, free = (descend(build(LeJEPA, data, weight=weight), batch, 12)[-1]["sigreg"] for weight in (0.02, 0.0))
    assert held < free - 1
