"""BYOL-T: BYOL's loss on adjacent frames."""

import pytest
import torch

from benchmark.contracts.method import BatchSpec
from benchmark.core.seeds import torch_rng
from benchmark.methods.byol_t import BYOLT
from tests.learning import build, descend, loss_of, unreached


@pytest.fixture
def method(data):
    return build(BYOLT, data)


def test_it_eats_adjacent_frames(method):
    assert method.batch_spec(method.config) == BatchSpec(window=2, stride=1)


def test_loss_is_the_published_one_across_time(method, make_batch):
    """BYOL, equation 2 and its mirror image, in float64, row by row: the prediction from o_t meets the target of o_t+1."""
    method.double()
    method.target.double()
    batch = make_batch(2)
    earlier, later = method.views(batch, torch_rng("test"))
    encoder, projector = method.target.target
    expected = 0.0
    for seen, other in ((earlier, later), (later, earlier)):
        predictions = method.predictor(method.projector(method.encoder(seen)))
        targets = projector(encoder(other))
        for q, z in zip(predictions, targets, strict=True):
            expected += (2 - 2 * (q @ z) / (q.norm() * z.norm())).item() / len(predictions)
    assert loss_of(method, batch).item() == pytest.approx(expected, rel=1e-6)


def test_it_learns(method, make_batch):
    curve = descend(method, make_batch(2, size=8), 4)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_gradient_reaches_everything_but_the_target(method, make_batch):
    assert unreached(method, make_batch(2)) == []
    assert all(not p.requires_grad and p.grad is None for p in method.target.parameters())


def test_later_frames_matter(method, make_batch):
    """Guards against a pair of one frame with itself."""
    batch = make_batch(2)
    before = loss_of(method, batch)
    batch.frames = torch.stack([batch.frames[:, 0], 255 - batch.frames[:, 1]], 1)
    assert loss_of(method, batch) != before
