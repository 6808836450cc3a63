"""ACT: the layers of DETR, the style encoder and the loss, against formulas in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies.act import ACT, ACTConfig

SPEC = PolicySpec(feature_dim=6, action_dim=2)
HEADS = 2


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def policy() -> ACT:
    torch.manual_seed(0)
    config = ACTConfig(width=8, heads=HEADS, feedforward=12, encoder_layers=2, decoder_layers=2, style=3, history=3, chunk=4)
    policy = ACT(config, SPEC).double().eval()
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return policy


@pytest.fixture
def batch() -> Chunks:
    valid = torch.arange(4)[None] < torch.tensor([4, 1, 3, 2, 4])[:, None]
    return Chunks(
        torch.randn(5, 3, 6, generator=rng(), dtype=torch.float64), torch.randn(5, 4, 2, generator=rng(1)).double(), valid
    )


def norm(x: Tensor, layer) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.weight + layer.bias


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x @ weight.T + bias


def attention(layer, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Scaled dot products of one sequence, head by head."""
    weights, biases = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
    q, k, v = (linear(x, w, b) for x, w, b in zip((queries, keys, values), weights, biases, strict=True))
    heads = []
    for h in torch.arange(8).chunk(HEADS):
        scores = q[:, h] @ k[:, h].T / math.sqrt(len(h))
        heads.append((scores.exp() / scores.exp().sum(-1, keepdim=True)) @ v[:, h])
    return linear(torch.cat(heads, -1), layer.out_proj.weight, layer.out_proj.bias)


def feedforward(layer, x: Tensor) -> Tensor:
    first, last = layer.feedforward[0], layer.feedforward[3]
    hidden = linear(x, first.weight, first.bias).clamp(min=0)
    return norm(x + linear(hidden, last.weight, last.bias), layer.feedforward_norm)


def encode(layers, x: Tensor, positions: Tensor) -> Tensor:
    for layer in layers:
        x = norm(x + attention(layer.attention, x + positions, x + positions, x), layer.attention_norm)
        x = feedforward(layer, x)
    return x


def test_chunks_are_decoded_as_by_detr(policy, batch):
    """Positions in the queries and keys of every layer but in no value, norms after each sum, and one after the decoder."""
    chunks = policy.act(batch.features, None, [rng()] * 5)
    for features, chunk in zip(batch.features, chunks, strict=True):
        tokens = linear(features, policy.observe.weight, policy.observe.bias)
        memory = torch.cat([policy.from_style.bias[None], tokens])
        at = policy.memory_positions
        memory = encode(policy.observation_encoder, memory, at)
        x = queries = policy.queries
        for layer in policy.decoder:
            x = norm(x + attention(layer.attention, x + queries, x + queries, x), layer.attention_norm)
            x = norm(x + attention(layer.cross, x + queries, memory + at, memory), layer.cross_norm)
            x = feedforward(layer, x)
        expected = linear(norm(x, policy.norm), policy.head.weight, policy.head.bias)
        torch.testing.assert_close(chunk, expected, rtol=1e-9, atol=1e-9)


def test_the_style_is_read_at_sine_and_cosine_positions_from_the_steps_that_exist(policy, batch):
    mean, log_variance = policy._encode_style(policy.observe(batch.features), batch.actions, batch.valid)
    for row in range(5):
        steps = int(batch.valid[row].sum())
        tokens = [policy.class_token, policy.observe(batch.features[row]), policy.embed(batch.actions[row, :steps])]
        positions = torch.zeros(4 + steps, 8, dtype=torch.float64)
        for place in range(4 + steps):
            for pair in range(4):
                angle = place / 10000 ** (2 * pair / 8)
                positions[place, 2 * pair], positions[place, 2 * pair + 1] = math.sin(angle), math.cos(angle)
        first = encode(policy.style_encoder, torch.cat(tokens), positions)[0]
        said = linear(first, policy.to_style.weight, policy.to_style.bias)
        torch.testing.assert_close(torch.cat([mean[row], log_variance[row]]), said, rtol=1e-6, atol=1e-6)


def test_the_error_is_divided_by_all_steps_padded_ones_included(policy, batch, monkeypatch):
    """github.com/tonyzhaozh/act, policy.py: the mean of the masked errors."""
    monkeypatch.setattr(policy, "_decode", lambda observations, style: torch.zeros(5, 4, 2, dtype=torch.float64))
    expected = sum(
        abs(float(batch.actions[row, step, i]))
        for row in range(5)
        for step in range(int(batch.valid[row].sum()))
        for i in range(2)
    )
    assert policy.loss(batch, rng())[1]["l1"].item() == pytest.approx(expected / (5 * 4 * 2), rel=1e-9)


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_the_loss_adds_the_divergence_of_the_style_from_the_prior(policy, batch, weight):
    """Summed over the dimensions of the style, since they are independent, and averaged over chunks."""
    policy.config = replace(policy.config, kl_weight=weight)
    mean, log_variance = policy._encode_style(policy.observe(batch.features), batch.actions, batch.valid)
    divergence = 0.0
    for m, v in zip(mean.flatten().tolist(), log_variance.flatten().tolist(), strict=True):
        # The integral of q (log q - log p) over ten deviations to both sides.
        z = np.linspace(m - 10 * math.exp(v / 2), m + 10 * math.exp(v / 2), 4001)
        log_q, log_p = -((z - m) ** 2) / (2 * math.exp(v)) - v / 2, -(z**2) / 2
        divergence += ((log_q - log_p) * np.exp(log_q)).sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi) / len(mean)
    loss, logs = policy.loss(batch, rng())
    assert logs["kl"].item() == pytest.approx(divergence, rel=1e-6)
    assert loss.item() == pytest.approx(logs["l1"].item() + weight * divergence, rel=1e-6)


def test_styles_are_drawn_with_the_mean_and_the_deviation_that_the_encoder_names(policy, monkeypatch):
    n, styles = 4000, []
    with torch.no_grad():
        policy.to_style.weight.zero_()
        policy.to_style.bias.copy_(torch.tensor([1.0, -2.0, 0.0, math.log(9.0), math.log(0.25), 0.0]))
    monkeypatch.setattr(policy, "_decode", lambda _, style: styles.append(style) or torch.zeros(n, 4, 2))
    policy.loss(Chunks(torch.zeros(n, 3, 6).double(), torch.zeros(n, 4, 2).double(), torch.ones(n, 4, dtype=torch.bool)), rng())
    assert styles[0].mean(0).tolist() == pytest.approx([1.0, -2.0, 0.0], abs=0.2)
    assert styles[0].std(0).tolist() == pytest.approx([3.0, 0.5, 1.0], rel=0.05)
