"""DINO: the loss, the teacher, the centre, and the head."""

import pytest
import torch
from lightly.loss import DINOLoss

from benchmark.core.seeds import torch_rng
from benchmark.methods.dino import DINO, Prototypes
from tests.learning import build, descend, loss_of, unreached


@pytest.fixture
def method(data):
    method = build(DINO, data)
    torch.nn.init.normal_(method.centre, std=0.3)
    for parameter in method.target.parameters():  # a teacher that says what the student says would hide who is asked
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return method


def test_loss_is_the_published_one(method, make_batch):
    """Algorithm 1 in float64 with loops: cross entropy of the teacher's centred, sharpened view and the student's other one."""
    method.double()
    batch = make_batch(1)
    views = method.views(batch, torch_rng("test"))
    student = [method.projector(method.encoder(v)) for v in views]
    encoder, projector = method.target.target
    teacher = [projector(encoder(v)) for v in views]
    expected = 0.0
    for t, s in ((teacher[0], student[1]), (teacher[1], student[0])):
        for a, b in zip(t, s, strict=True):
            wanted = torch.exp((a - method.centre) / 0.04) / torch.exp((a - method.centre) / 0.04).sum()
            given = torch.log(torch.exp(b / 0.1) / torch.exp(b / 0.1).sum())
            expected -= (wanted @ given).item() / len(t) / 2
    assert loss_of(method, batch).item() == pytest.approx(expected, rel=1e-6)


def test_loss_and_centre_are_lightlys(method, make_batch):
    reference = DINOLoss(method.config.out, center_momentum=0.9)
    reference.center.copy_(method.centre)
    batch = make_batch(1)
    views = method.views(batch, torch_rng("test"))
    student = [method.projector(method.encoder(v)) for v in views]
    teacher = [method.target(v) for v in views]
    expected = reference(teacher, student)
    torch.testing.assert_close(loss_of(method, batch), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(method.centre, reference.center[0, 0], rtol=1e-4, atol=1e-5)


def test_the_centre_is_not_touched_without_centering(data, make_batch):
    method = build(DINO, data, center=1.0)
    loss_of(method, make_batch(1))
    assert not method.centre.any()


def test_gradient_reaches_the_student_only(method, make_batch):
    assert unreached(method, make_batch(1)) == []
    assert all(not p.requires_grad and p.grad is None for p in method.target.parameters())


def test_the_teacher_is_a_moving_average_with_its_head(method, make_batch):
    before = method.target.target[1].prototypes.clone()
    descend(method, make_batch(1), 1)
    expected = 0.996 * before + 0.004 * method.projector.prototypes
    torch.testing.assert_close(method.target.target[1].prototypes, expected)


def test_scores_are_cosines():
    """On both sides of the last layer: its norm is fixed, and the bottleneck lies on the sphere."""
    head = Prototypes(6, 8, 4, 10)
    with torch.no_grad():
        head.prototypes *= 3
        head.layers[-1].weight *= 100
    scores = head(torch.randn(50, 6, generator=torch_rng("x")))
    assert scores.abs().max() <= 1 + 1e-6
    hidden = torch.nn.functional.normalize(head.layers(torch.zeros(1, 6) + 1), dim=-1)
    directions = head.prototypes / head.prototypes.norm(dim=1, keepdim=True)
    torch.testing.assert_close(head(torch.zeros(1, 6) + 1), hidden @ directions.T)


def test_prototypes_start_and_turn_as_in_the_official_head():
    """github.com/facebookresearch/dino, vision_transformer.py: a linear layer under weight norm, the gains frozen at 1."""
    head = Prototypes(6, 8, 256, 400)
    norms = head.prototypes.detach().norm(dim=1)
    assert norms.mean() == pytest.approx(3**-0.5, abs=0.01)  # uniform on +-1/sqrt(256)
    official = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(256, 400, bias=False))
    gains, directions = official.parametrizations.weight.original0, official.parametrizations.weight.original1
    with torch.no_grad():
        gains.fill_(1)
        directions.copy_(head.prototypes)
    gains.requires_grad_(False)
    x = torch.randn(5, 6, generator=torch_rng("x"))
    for step in range(2):
        bottleneck = torch.nn.functional.normalize(head.layers(x), dim=-1)
        target = torch.arange(5) + step
        for scores, weight in ((official(bottleneck), directions), (head(x), head.prototypes)):
            optimizer = torch.optim.SGD([weight], lr=10.0)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(scores / 0.1, target).backward(retain_graph=True)
            optimizer.step()
        torch.testing.assert_close(head.prototypes, directions)
    turned = torch.nn.functional.cosine_similarity(head.prototypes[:5], official.weight[:5])
    torch.testing.assert_close(turned, torch.ones(5))


def test_it_learns(data, make_batch):
    curve = descend(build(DINO, data), make_batch(1, size=8), 5)
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert curve[-1]["prototypes_in_use"] > 1
