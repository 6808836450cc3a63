"""Padded actions in the heads that classify whole chunks: the last action, repeated, is part of the class, but no offset learns
from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies._shared.parts import repeated
from benchmark.policies.bet import BeT, BeTConfig
from benchmark.policies.vqbet import VQBeT, VQBeTConfig
from tests.policies.prepared import prepare

CHUNK, ACTIONS, SAMPLES = 4, 2, 32


def batch(lengths: int) -> Chunks:
    rng = torch.Generator().manual_seed(0)
    valid = torch.arange(CHUNK).expand(SAMPLES, CHUNK) < lengths
    features, actions = torch.randn(SAMPLES, 1, 6, generator=rng), torch.randn(SAMPLES, CHUNK, ACTIONS, generator=rng)
    return Chunks(features, actions, valid)


def offset_gradients(name: str, samples: Chunks) -> Tensor:
    """Of the biases of the offsets, by their place in the chunk: (..., chunk, A)."""
    torch.manual_seed(0)
    spec = PolicySpec(6, ACTIONS)
    if name == "bet":
        head: BeT | VQBeT = BeT(BeTConfig(chunk=CHUNK, layers=1, heads=2, width=16, bins=4), spec)
        bias = head.head.bias
    else:
        small = {"hidden": 16, "latent": 8, "codes": 4, "tokenizer_hidden": 16, "tokenizer_epochs": 1}
        head = VQBeT(VQBeTConfig(chunk=CHUNK, layers=1, heads=2, width=16, **small), spec)
        bias = head.offset_head[-1].bias
    prepare(head, samples, torch.Generator().manual_seed(0))
    head.loss(samples, torch.Generator().manual_seed(1))[0].backward()
    assert bias.grad is not None
    return bias.grad[4:].view(4, CHUNK, ACTIONS) if name == "bet" else bias.grad.view(2, 4, CHUNK, ACTIONS)


@pytest.mark.parametrize("name", ["bet", "vqbet"])
@pytest.mark.parametrize("length", [1, 3, CHUNK])
def test_offsets_learn_from_actions_that_exist_and_from_no_others(name: str, length: int) -> None:
    reached = offset_gradients(name, batch(length)).abs().sum(-1).flatten(0, -2).sum(0) > 0
    assert reached.tolist() == [step < length for step in range(CHUNK)]


def test_what_looks_at_whole_chunks_sees_the_last_action_repeated() -> None:
    actions = torch.arange(4.0)[None, :, None].expand(2, 4, 2)
    valid = torch.tensor([[True, True, False, False], [True, True, True, True]])
    seen = repeated(Chunks(torch.zeros(2, 1, 1), actions, valid))
    assert seen[..., 0].tolist() == seen[..., 1].tolist() == [[0, 1, 1, 1], [0, 1, 2, 3]]
