"""Inverse dynamics: the true action between two frames, and nothing else."""

import pytest
import torch

from benchmark.contracts.method import BatchSpec
from benchmark.methods.inverse_dynamics import InverseDynamics
from tests.learning import build, descend, loss_of, unreached


@pytest.fixture
def method(data):
    return build(InverseDynamics, data)


def test_it_eats_transitions_with_their_actions(method):
    assert method.batch_spec(method.config) == BatchSpec(window=2, actions=True)


def test_loss_is_the_squared_error_of_the_standardised_action(method, make_batch):
    """In float64, row by row: the action at the first frame, from both frames of both cameras."""
    method.double()
    batch = make_batch(2, size=6)
    features = method.encoder(batch.frames.flatten(0, 2)).view(6, 2, 2, -1)
    batch.actions = batch.actions.double()
    actions = batch.actions[:, 0]
    wanted = (actions - actions.mean(0)) / actions.std(0, correction=0)
    expected = 0.0
    for row in range(6):
        seen = torch.cat([features[row, t, view] for t in range(2) for view in range(2)])
        difference = method.head(seen) - wanted[row]
        expected += (difference @ difference).item() / (6 * 3)
    assert loss_of(method, batch).item() == pytest.approx(expected, rel=1e-6)


def test_the_action_after_the_second_frame_does_not_matter(method, make_batch):
    batch = make_batch(2)
    before = loss_of(method, batch)
    batch.actions[:, 1] = 7
    assert torch.equal(before, loss_of(method, batch))
    batch.actions[0, 0] += 1
    assert not torch.equal(before, loss_of(method, batch))


def test_units_of_actions_do_not_matter(method, make_batch):
    batch = make_batch(2, size=8)
    before = loss_of(method, batch)
    batch.actions = 512 * batch.actions + 256
    torch.testing.assert_close(loss_of(method, batch), before, rtol=1e-3, atol=0)


def test_it_learns_and_gradient_reaches_everything(method, make_batch):
    assert unreached(method, make_batch(2)) == []
    curve = descend(method, make_batch(2, size=8), 5)
    assert curve[-1]["loss"] < curve[0]["loss"]
