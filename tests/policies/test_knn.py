from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies.knn import KNN, KNNConfig


def naive(keys: np.ndarray, values: np.ndarray, query: np.ndarray, k: int) -> np.ndarray:
    distance = np.sqrt(((keys - query) ** 2).sum(1))
    order = np.argsort(distance)[:k]
    weight = np.exp(-distance[order] + distance[order].min())
    return (weight[:, None] * values[order]).sum(0) / weight.sum()


def fitted(k: int, n: int = 500, spread: float = 1.0, offset: float = 0.0) -> tuple[KNN, Chunks]:
    config = KNNConfig(history=2, chunk=3, k=k)
    rng = torch.Generator().manual_seed(0)
    features = spread * torch.randn(n, 2, 5, generator=rng) + offset
    actions = torch.randn(n, 3, 2, generator=rng)
    samples = Chunks(features, actions, torch.ones(n, 3, dtype=torch.bool))
    policy = KNN(config, PolicySpec(5, 2))
    policy.prepare(samples, rng)
    return policy, samples


@pytest.mark.parametrize("k", [1, 7, 1000])
@pytest.mark.parametrize("queries", [1, 150])
def test_equals_a_loop_in_float64(k, queries):
    policy, samples = fitted(k)
    x = torch.randn(queries, 2, 5, generator=torch.Generator().manual_seed(1))
    actions = policy.act(x, None, [])
    keys, values = (t.flatten(1).double().numpy() for t in (samples.features, samples.actions))
    expected = np.stack([naive(keys, values, q, k) for q in x.flatten(1).double().numpy()])
    np.testing.assert_allclose(actions.flatten(1).numpy(), expected, atol=2e-5)


def test_a_demonstrated_observation_gives_the_demonstrated_action():
    policy, samples = fitted(k=1)
    assert torch.equal(policy.act(samples.features, None, []), samples.actions)


def test_weights_survive_cancellation():
    """Far from the origin the expanded square loses the distance; the weights must not."""
    policy, samples = fitted(k=2, n=2, spread=0.1, offset=30.0)
    x = samples.features[:1] + 0.01
    keys, values = (t.flatten(1).double().numpy() for t in (samples.features, samples.actions))
    expected = naive(keys, values, x.flatten(1).double().numpy()[0], 2)
    np.testing.assert_allclose(policy.act(x, None, []).flatten().numpy(), expected, atol=1e-5)


def test_another_bank_of_the_same_size_is_searched_by_its_own_keys():
    """What is remembered of the keys between queries goes with them."""
    first, samples = fitted(k=1)
    first.act(samples.features[:1], None, [])
    second = KNN(KNNConfig(history=2, chunk=3, k=1), PolicySpec(5, 2))
    other = Chunks(3 * samples.features.flip(0) + 1, samples.actions.flip(0), samples.valid)
    second.prepare(other, torch.Generator())
    first.load_state_dict(second.state_dict())
    assert torch.equal(first.act(other.features, None, []), other.actions)
    first.prepare(samples, torch.Generator())
    assert torch.equal(first.act(samples.features, None, []), samples.actions)
