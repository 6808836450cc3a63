"""TCN: which frames belong together, three losses against loops, and two cameras."""

from dataclasses import replace

import pytest
import torch

from benchmark.contracts.data import DataSpec
from benchmark.contracts.method import BatchSpec
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import torch_rng
from benchmark.methods.tcn import TCNMultiView, TCNSingleView, against_negatives, semi_hard_triplet
from tests.learning import build, descend, loss_of, unreached

BOTH = [TCNSingleView, TCNMultiView]


# ------------------------------------------------------------------------------------------------- losses, with loops


def _triplet(anchors, others, positive, negative, margin=0.2):
    """Squared distances on the unit sphere; the closest negative beyond the positive, else the farthest; hinge; mean."""
    anchors, others = ([x / x.norm() for x in items] for items in (anchors, others))
    terms = []
    for i, a in enumerate(anchors):
        distances = [((a - x) @ (a - x)).item() for x in others]
        away = [d for j, d in enumerate(distances) if negative[i, j]]
        for j, d in enumerate(distances):
            if positive[i, j] and away:
                beyond = [x for x in away if x > d]
                terms.append(max(0.0, 0.2 + d - (min(beyond) if beyond else max(away))))
    assert margin == 0.2
    return sum(terms) / len(terms)


def _cross_entropy(score, anchors, others, positive, negative):
    terms = []
    for i, a in enumerate(anchors):
        rivals = sum(torch.exp(score(a, x)) for j, x in enumerate(others) if negative[i, j])
        if isinstance(rivals, torch.Tensor):
            own = [torch.exp(score(a, x)) for j, x in enumerate(others) if positive[i, j]]
            terms += [-torch.log(e / (e + rivals)).item() for e in own]
    return sum(terms) / len(terms)


def _npairs(anchors, others, positive, negative):
    squared = sum((a @ a).item() for a in anchors) / len(anchors) + sum((x @ x).item() for x in others) / len(others)
    return _cross_entropy(lambda a, x: a @ x, anchors, others, positive, negative) + 0.25 * 0.002 * squared


def _infonce(anchors, others, positive, negative):
    return _cross_entropy(lambda a, x: -(a - x).norm(), anchors, others, positive, negative)


LOSSES = {"triplet": _triplet, "npairs": _npairs, "infonce": _infonce}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cls", BOTH)
def test_loss_is_the_published_one(cls, loss, data, make_batch):
    """In float64, from embeddings alone, with masks written out from the definitions of positives and negatives."""
    method = build(cls, data, loss=loss).double()
    frames = method.config.window
    embedded = torch.randn(2, 2, frames, 5, dtype=torch.float64, generator=torch_rng("e"))  # windows, cameras
    single = cls is TCNSingleView
    method.embed = lambda *_: embedded.flatten(0, 1) if single else embedded
    terms = []
    for window in embedded:
        if single:  # 10 Hz: up to 0.2 s are 2 steps, beyond 0.4 s are more than 4
            near = torch.tensor([[0 < abs(i - j) <= 2 for j in range(frames)] for i in range(frames)])
            far = torch.tensor([[abs(i - j) > 4 for j in range(frames)] for i in range(frames)])
            terms += [LOSSES[loss](camera, camera, near, far) for camera in window]
        elif loss == "triplet":
            items = window.flatten(0, 1)
            same = torch.tensor([[i % frames == j % frames for j in range(2 * frames)] for i in range(2 * frames)])
            terms.append(_triplet(items, items, same & ~torch.eye(2 * frames, dtype=torch.bool), ~same))
        else:
            own = torch.eye(frames, dtype=torch.bool)
            terms.append(LOSSES[loss](*window, own, ~own))
    assert loss_of(method, make_batch(frames, size=2)).item() == pytest.approx(sum(terms) / len(terms), rel=1e-6)


def test_anchors_without_negatives_are_left_out_without_nan():
    distance = torch.rand(1, 3, 3, dtype=torch.float64, generator=torch_rng("d")).requires_grad_()
    positive = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.bool)
    negative = torch.tensor([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=torch.bool)
    for loss in (semi_hard_triplet(distance, positive, negative, 5.0), against_negatives(-distance, positive, negative)):
        (gradient,) = torch.autograd.grad(loss, distance)
        assert gradient.isfinite().all()
        assert not gradient[0, 1].any()
        assert gradient[0, 0].any()


def test_a_collapsed_embedding_costs_the_margin():
    """The guard of the triplet loss: everything in one place is not a solution."""
    nowhere = torch.zeros(1, 6, 6)
    positive = torch.ones(6, 6, dtype=torch.bool).tril(1).triu(-1)
    assert semi_hard_triplet(nowhere, positive, ~positive, 0.2).item() == pytest.approx(0.2)


# ---------------------------------------------------------------------------------------------------- which frames


@pytest.mark.parametrize(("hz", "near", "far"), [(10.0, 2, 4), (20.0, 4, 8), (12.5, 2, 5), (29.0, 6, 12), (1.0, 1, 2)])
def test_radii_are_in_seconds(hz, near, far, data):
    """29 Hz is the reference's rate and 6 and 12 steps its radii; too slow a rate still leaves neighbours and a gap."""
    data = replace(data, hz=hz)
    method = build(TCNSingleView, data, window=36)
    for i in range(36):
        assert {j for j in range(36) if method.positive[i, j]} == {j for j in range(36) if 0 < abs(i - j) <= near}
        assert {j for j in range(36) if method.negative[i, j]} == {j for j in range(36) if abs(i - j) > far}


def test_radii_count_time_steps_not_frames(data):
    method = build(TCNSingleView, data, window=8, stride=2)
    assert method.positive[0].nonzero().flatten().tolist() == [1]
    assert method.negative[0].nonzero().flatten().tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("changes", [{"window": 5}, {"window": 12, "stride": 3}])
def test_a_window_without_triplets_is_refused(changes, data):
    with pytest.raises(BenchmarkError, match="hold no triplet: at 10 Hz"):
        build(TCNSingleView, data, **changes)


def test_cameras_are_sequences_of_their_own(data, make_batch):
    """What the loss compares within is one camera of one window, in the order of time."""
    method = build(TCNSingleView, data)
    batch, seen = make_batch(8), []
    method.embed = lambda frames, rng: seen.append(frames) or torch.randn(*frames.shape[:2], 4)
    loss_of(method, batch)
    (sequences,) = seen
    for i in range(4):
        for camera in range(2):
            assert torch.equal(sequences[2 * i + camera], batch.frames[i, :, camera])


def test_multi_view_pairs_the_same_moment_of_two_different_cameras(make_batch):
    data = DataSpec("fake", ("a", "b", "c"), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)
    method = build(TCNMultiView, data)
    batch = make_batch(8)
    window, time, camera = torch.meshgrid(torch.arange(4), torch.arange(8), torch.arange(3), indexing="ij")
    batch.frames = (32 * window + 4 * time + camera).to(torch.uint8)[..., None, None, None].expand(4, 8, 3, 3, 32, 32)
    pairs = set()
    for draw in range(20):
        chosen = method._two_views(batch.frames, torch_rng("draw", draw))[..., 0, 0, 0].int()
        assert chosen.shape == (4, 2, 8)
        cameras = chosen - 32 * torch.arange(4)[:, None, None] - 4 * torch.arange(8)
        assert (cameras == cameras[:, :, :1]).all()
        pairs |= {tuple(pair) for pair in cameras[:, :, 0].tolist()}
    assert pairs == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_multi_view_needs_two_views():
    assert TCNMultiView.batch_spec(TCNMultiView.Config()) == BatchSpec(window=16, stride=4, min_views=2)
    assert TCNSingleView.batch_spec(TCNSingleView.Config()).min_views == 1


# -------------------------------------------------------------------------------------------------------- learning


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("loss", LOSSES)
def test_it_learns_and_gradient_reaches_everything(cls, loss, data, make_batch):
    batch = make_batch(8, size=2)
    assert unreached(build(cls, data, loss=loss), batch) == []
    curve = descend(build(cls, data, loss=loss), batch, 4)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_colours_change_only_when_augmenting(data, make_batch):
    batch = make_batch(8)
    for augment in (True, False):
        method = build(TCNSingleView, data, augment=augment).eval()
        first, second = (method.embed(batch.frames, torch_rng(i)) for i in (1, 2))
        assert torch.equal(first, second) != augment


@pytest.mark.parametrize("cls", BOTH)
def test_every_frame_is_coloured_by_itself(cls, data, make_batch):
    """As in the reference: within a window the colours would otherwise tell what belongs together."""
    method, seen = build(cls, data), []
    batch = make_batch(8)
    batch.frames[:] = 100
    method.encoder.forward = lambda images: seen.append(images) or torch.zeros(len(images), method.encoder.dim)
    loss_of(method, batch)
    brightness = seen[0].flatten(1).mean(1) / (100 / 255)
    assert len(brightness) == 4 * 8 * 2
    assert len(brightness.unique()) > 60
    assert brightness.min() == pytest.approx(1 - 32 / 255, abs=0.02)
    assert brightness.max() == pytest.approx(1 + 32 / 255, abs=0.02)
