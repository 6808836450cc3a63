"""Behavior Transformer: its loss and how it draws bins, against formulas in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies._shared.parts import repeated
from benchmark.policies.bet import BeT, BeTConfig
from tests.policies.prepared import prepare

ROWS = 64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prepared(**changes) -> tuple[BeT, Chunks]:
    """Sharp logits and large offsets, so that it matters which bin is taken."""
    torch.manual_seed(0)
    config = BeTConfig(chunk=3, layers=1, heads=2, width=8, bins=5, **changes)
    policy = BeT(config, PolicySpec(feature_dim=6, action_dim=2)).eval()
    torch.nn.init.normal_(policy.head.weight, std=0.5)
    valid = torch.arange(3)[None] < torch.randint(1, 4, (ROWS, 1), generator=rng(2))
    batch = Chunks(torch.randn(ROWS, 1, 6, generator=rng()), torch.randn(ROWS, 3, 2, generator=rng(1)), valid)
    batch = replace(batch, actions=repeated(batch))  # as samplers pad
    prepare(policy, batch, rng())
    return policy, batch


@torch.no_grad()
def heads(policy: BeT, batch: Chunks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits (N, bins), the chunk of each bin with its offset (N, bins, chunk * A), and the centres alone."""
    logits, offsets = (tensor.double().numpy() for tensor in policy._heads(batch.features, None))
    centres = policy.tokenizer.centres.double().numpy()
    return logits, centres + offsets, centres


@pytest.mark.parametrize("temperature", [0.2, 1.0, 4.0])
def test_bins_are_drawn_at_the_temperature(temperature):
    policy, batch = prepared(temperature=temperature)
    logits, chunks, _ = heads(policy, batch)
    with torch.no_grad():
        acted = policy.act(batch.features, None, [rng(i) for i in range(ROWS)]).flatten(1).numpy()
    for i in range(ROWS):
        weights = np.exp(logits[i] / temperature)
        bin_ = np.searchsorted(np.cumsum(weights / weights.sum()), torch.rand((), generator=rng(i)).item(), side="right")
        np.testing.assert_allclose(acted[i], chunks[i, bin_], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 3.0, 1000.0])
def test_the_loss_is_focal_for_the_nearest_bin_and_weighs_the_squared_offset_error(weight):
    policy, batch = prepared(offset_weight=weight)
    logits, chunks, centres = heads(policy, batch)
    actions, valid = batch.actions.flatten(1).double().numpy(), batch.valid.numpy()
    focal, squares = [], []
    for i in range(ROWS):
        target = ((actions[i] - centres) ** 2).sum(1).argmin()
        p = np.exp(logits[i, target]) / np.exp(logits[i]).sum()
        focal.append(-((1 - p) ** 2) * np.log(p))
        squares.extend((chunks[i, target] - actions[i]).reshape(3, 2)[valid[i]].ravel() ** 2)
    loss, logs = policy.loss(batch, rng())
    assert logs["bin_loss"].item() == pytest.approx(np.mean(focal), rel=1e-4)
    assert logs["offset_loss"].item() == pytest.approx(np.mean(squares), rel=1e-4)
    assert loss.item() == pytest.approx(np.mean(focal) + weight * np.mean(squares), rel=1e-4)
