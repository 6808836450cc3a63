"""The transformer: DynaMo's sizes, causality, and the published formulas."""

import pytest
import torch
from torch.nn import functional as F

from benchmark.models.transformer import Transformer

SMALL = {"context": 5, "layers": 2, "heads": 2, "width": 8}
DYNAMO = {  # latent, window, layers, heads, width -> parameters of the inverse and of the forward model in the release
    "kitchen": ((64, 2, 6, 6, 120), 1_115_944, 1_177_832),
    "block_push": ((16, 5, 4, 4, 72), 291_184, 328_544),
    "pusht": ((8, 5, 6, 6, 120), 1_109_528, 1_171_472),
    "libero_goal": ((32, 5, 6, 6, 120), 1_112_432, 1_174_352),
}


@pytest.mark.parametrize("env", DYNAMO)
def test_sizes_are_those_of_the_release(env):
    (latent, context, layers, heads, width), inverse, forward = DYNAMO[env]
    shape = {"context": context, "layers": layers, "heads": heads, "width": width}
    assert count(Transformer(512, latent, **shape)) == inverse
    assert count(Transformer(512 + latent, 512, **shape)) == forward


@pytest.mark.parametrize("causal", [True, False])
def test_which_positions_see_which(causal):
    torch.manual_seed(0)
    model = Transformer(3, 4, causal=causal, **SMALL)
    x = torch.rand(1, 5, 3, requires_grad=True)
    for t in range(5):
        (gradient,) = torch.autograd.grad(model(x)[0, t].sum(), x)
        seen = gradient[0].abs().sum(-1) > 0
        assert seen.tolist() == [s <= t or not causal for s in range(5)]


GELU = {
    "none": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "tanh": lambda x: x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
}


@pytest.mark.parametrize("gelu", GELU)
def test_output_equals_the_equations_in_float64(gelu):
    """Attention spelt out with loops over heads, LayerNorm and GELU from their definitions."""
    torch.manual_seed(0)
    model = Transformer(3, 4, gelu=gelu, **SMALL).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    x = torch.rand(2, 4, 3, dtype=torch.float64)

    def norm(y, layer):
        centred = y - y.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * layer.weight + layer.bias

    def linear(y, layer):
        return y @ layer.weight.T + layer.bias

    y = linear(x, model.embed) + model.positions[:4]
    future = torch.ones(4, 4, dtype=torch.bool).triu(1)
    for block in model.blocks:
        q, k, v = linear(norm(y, block.attention_norm), block.query_key_value).split(8, dim=-1)
        heads = []
        for h in (slice(0, 4), slice(4, 8)):
            scores = (q[..., h] @ k[..., h].transpose(1, 2) / 2).masked_fill(future, -torch.inf)
            heads.append(scores.softmax(-1) @ v[..., h])
        y = y + linear(torch.cat(heads, -1), block.project)
        hidden = linear(norm(y, block.mlp_norm), block.expand)
        y = y + linear(GELU[gelu](hidden), block.contract)
    torch.testing.assert_close(model(x), linear(norm(y, model.norm), model.head), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("positions", [1, 2, 5])
@pytest.mark.parametrize("causal", [True, False])
def test_the_last_position_alone_is_that_of_all_and_so_are_its_gradients(positions, causal):
    torch.manual_seed(0)
    model = Transformer(3, 4, causal=causal, **SMALL).double()
    x = torch.rand(2, positions, 3, dtype=torch.float64, requires_grad=True)
    wanted = [x, *model.parameters()]

    def results(y):
        return y, *torch.autograd.grad(y.square().sum(), wanted)

    for ours, theirs in zip(results(model(x, last=True)), results(model(x)[:, -1:]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_attention_over_one_position_is_the_value_there_to_the_bit():
    """So it is left out; the smaller product for the values alone may round otherwise."""
    torch.manual_seed(0)
    block = Transformer(3, 4, **SMALL).blocks[0]
    x = torch.rand(6, 1, 8)
    q, k, v = (y.view(6, 1, 2, 4).transpose(1, 2) for y in block.query_key_value(x).chunk(3, -1))
    assert torch.equal(F.scaled_dot_product_attention(q, k, v), v)
    torch.testing.assert_close(block._attend(x, last=False), v.transpose(1, 2).reshape(6, 1, 8))


def test_dropout_of_the_attention_to_one_position_is_not_left_out():
    torch.manual_seed(0)
    block = Transformer(3, 4, dropout=0.5, **SMALL).blocks[0]
    assert (block._attend(torch.rand(40, 1, 8), last=True) == 0).any()


def test_dropout_only_while_training():
    torch.manual_seed(0)
    model, x = Transformer(3, 4, dropout=0.5, **SMALL), torch.rand(1, 5, 3)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_gradient_reaches_every_tensor():
    torch.manual_seed(0)
    model = Transformer(3, 4, **SMALL)
    F.mse_loss(model(torch.rand(2, 5, 3)), torch.rand(2, 5, 4)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def count(model):
    return sum(p.numel() for p in model.parameters())
