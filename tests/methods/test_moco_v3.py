"""MoCo-v3: its own loss, its heads, its momentum encoder, and what it does not have."""

import pytest
import torch
from torch import nn

from benchmark.core.seeds import torch_rng
from benchmark.methods.moco_v3 import MoCoV3, contrast
from tests.learning import build, descend, loss_of, unreached


@pytest.fixture
def method(data):
    return build(MoCoV3, data)


def _published(queries, keys, temperature):
    """Algorithm 1 of the paper with loops: 2T times the cross entropy among the keys of the other view."""
    total = 0.0
    for i, q in enumerate(queries):
        scores = [torch.exp((q / q.norm()) @ (k / k.norm()) / temperature) for k in keys]
        total -= torch.log(scores[i] / sum(scores))
    return 2 * temperature * total / len(queries)


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_contrast_is_the_published_loss(temperature):
    queries, keys = torch.randn(2, 7, 5, dtype=torch.float64, generator=torch_rng("x"))
    torch.testing.assert_close(contrast(queries, keys, temperature), _published(queries, keys, temperature), rtol=1e-9, atol=0)


def test_loss_is_the_sum_of_both_directions(method, make_batch):
    method.double()
    batch = make_batch(1)
    first, second = method.views(batch, torch_rng("test"))
    q1, q2 = (method.predictor(method.projector(method.encoder(v))) for v in (first, second))
    encoder, projector = method.target.target
    k1, k2 = (projector(encoder(v)) for v in (first, second))
    expected = _published(q1, k2, 1.0) + _published(q2, k1, 1.0)
    assert loss_of(method, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_negatives_are_the_other_views_keys_only():
    """Each query's term is its own: no query pushes another, as they would in NT-Xent."""
    queries, keys = torch.randn(2, 4, 5, dtype=torch.float64, generator=torch_rng("x"))
    hessian = torch.autograd.functional.hessian(lambda q: contrast(q, keys, 1.0), queries)
    assert all(bool(hessian[i, :, j].any()) == (i == j) for i in range(4) for j in range(4))


def test_there_is_no_queue(method):
    """Nothing but batch norm's statistics survives a step."""
    buffers = [name.rpartition(".")[2] for name, _ in method.named_buffers()]
    assert set(buffers) <= {"mean", "std", "running_mean", "running_var", "num_batches_tracked"}


def test_keys_give_no_gradient_and_queries_all(method, make_batch):
    assert unreached(method, make_batch(1)) == []
    assert all(p.grad is None for p in method.target.parameters())


def test_heads_are_those_of_the_reference_for_a_resnet(data):
    """Linear layers without bias; 4096 and 256; the projector ends in a norm without weights, the predictor in none."""
    method = build(MoCoV3, data, width=64, hidden=4096, out=256)
    projector, predictor = list(method.projector.layers), list(method.predictor.layers)
    assert [type(m) for m in projector] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    assert [type(m) for m in predictor] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    linear = [m for m in projector + predictor if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(512, 4096), (4096, 256), (256, 4096), (4096, 256)]
    assert all(m.bias is None for m in linear)
    assert not projector[-1].affine
    assert projector[1].affine


def test_it_learns(method, make_batch):
    curve = descend(method, make_batch(1, size=8), 4)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_the_paper_preset_is_table_12():
    paper = MoCoV3.presets["paper"]
    assert (paper["optimizer"], paper["batch_size"], paper["lr"], paper["weight_decay"]) == ("lars", 1024, 0.6, 1e-6)
    assert (paper["epochs"], MoCoV3.Config(**paper).momentum) == (200, 0.9)
