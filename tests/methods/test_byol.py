"""BYOL: its loss against the published formula, its target, and what it learns from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.contracts.presets import component_config
from benchmark.core.seeds import torch_rng
from benchmark.methods.byol import BYOL
from benchmark.training.optimizers import make_optimizer


@pytest.fixture
def config():
    return component_config(BYOL, "smoke", "fake")


@pytest.fixture
def method(config, data):
    torch.manual_seed(0)
    method = BYOL(config, data)
    for p in method.target.parameters():
        nn.init.normal_(p, std=0.2)
    return method


def test_loss_is_the_published_one(method, make_batch):
    """Equation 2 and its mirror image in float64: ||q/|q| - z'/|z'|||^2, row by row, averaged over the batch."""
    method.double().train()
    batch = make_batch(1)
    views = method.views(batch, torch_rng("test"))
    encoder, projector = method.target.target
    online = [method.predictor(method.projector(method.encoder(v))) for v in views]
    target = [projector(encoder(v)) for v in views]
    expected = 0.0
    for q, z in ((online[0], target[1]), (online[1], target[0])):
        for row in range(len(q)):
            difference = q[row] / q[row].norm() - z[row] / z[row].norm()
            expected += (difference @ difference).item() / len(q)
    loss, _ = method.loss(batch, torch_rng("test"))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_the_two_views_are_two_augmentations_of_the_same_frames(method, make_batch):
    batch = make_batch(1)
    first, second = method.views(batch, torch_rng("test"))
    assert first.shape == second.shape == (4 * 2, 3, 32, 32)
    assert not torch.allclose(first, second, atol=0.05)
    again, _ = method.views(batch, torch_rng("test"))
    assert torch.equal(first, again)


def test_without_augmentation_both_views_are_the_frame(config, data, make_batch):
    config.augment = False
    batch = make_batch(1)
    first, second = BYOL(config, data).views(batch, torch_rng("test"))
    assert torch.equal(first, second)
    assert torch.equal(first, batch.frames.flatten(0, 2) / 255)


def test_gradient_reaches_all_that_is_trained_and_nothing_of_the_target(method, make_batch):
    method.loss(make_batch(1), torch_rng("test"))[0].backward()
    assert [n for n, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())] == []
    assert all(p.grad is None for p in method.target.parameters())
    assert {id(p) for p in method.groups()[0].params}.isdisjoint(id(p) for p in method.target.parameters())


def test_target_follows_encoder_and_projector(method):
    before = [p.clone() for p in method.target.parameters()]
    method.after_step(0, 10**6)
    online = [*method.encoder.parameters(), *method.projector.parameters()]
    for old, new, source in zip(before, method.target.parameters(), online, strict=True):
        torch.testing.assert_close(new, 0.99 * old + 0.01 * source, rtol=1e-4, atol=1e-6)
    held = [p.clone() for p in method.target.parameters()]
    method.after_step(10**6 - 1, 10**6)  # the momentum has reached 1
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(held, method.target.parameters(), strict=True))


def test_steps_on_one_batch_lower_the_loss(method, config, make_batch):
    method.train()
    optimizer, batch, losses = make_optimizer(method.groups(), config), make_batch(1, size=8), []
    for _ in range(6):
        loss = method.loss(batch, torch_rng("test"))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert losses[-1] < losses[1]


def test_paper_preset_is_that_of_table_12():
    config = component_config(BYOL, "paper", "kitchen")
    table = (config.optimizer, config.batch_size, config.lr, config.momentum, config.weight_decay, config.epochs)
    assert table == ("lars", 512, 0.2, 0.9, 1.5e-6, 200)
    assert (config.hidden, config.out, config.width) == (4096, 256, 64)
