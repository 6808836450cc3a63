"""RPT, both rows: masks, the loss over masked tokens, the guard against collapse, and what a policy is given."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmark.contracts.presets import component_config
from benchmark.core.seeds import torch_rng
from benchmark.methods.rpt import RPT, Heads, MaskedSequence, RPTSensorimotor, SequenceConfig, draw_masks
from benchmark.models.imagenet import RESNET18_IMAGENET
from tests.learning import build, descend, loss_of, unreached

SLOTS = [("vision", 6), ("vision", 6), ("action", 3)]


@pytest.fixture
def sequence():
    torch.manual_seed(0)
    return MaskedSequence(SLOTS, SequenceConfig(window=5, model_width=8, blocks=2, heads=2)).double()


def _tokens(n=2, t=5, seed=0):
    rng = torch_rng("tokens", seed)
    return [torch.randn(n, t, size, dtype=torch.float64, generator=rng) for _, size in SLOTS]


# ----------------------------------------------------------------------------------------------------------- masks


def test_the_ratio_is_drawn_for_each_sequence_and_tokens_are_masked_independently():
    masks = draw_masks((400, 100, 3), 0.7, 0.9, torch_rng("m")).float()
    ratios = masks.mean((1, 2))
    assert ratios.min() > 0.6
    assert ratios.max() < 0.97
    assert ratios.mean().item() == pytest.approx(0.8, abs=0.01)
    assert ratios.std().item() == pytest.approx(0.2 / 12**0.5, abs=0.015)  # a uniform ratio; a fixed one would have 0.023
    within = masks - ratios[:, None, None]
    assert abs((within[:, :, 0] * within[:, :, 1]).mean()) < 0.01  # not whole time steps
    assert abs((within[:, 1:] * within[:, :-1]).mean()) < 0.01  # not whole modalities


def test_what_is_masked_cannot_be_seen(sequence):
    hidden = torch.rand(2, 5, 3, generator=torch_rng("h")) < 0.6
    before = sequence(_tokens(), hidden)
    other = [torch.where(hidden[:, :, i, None], torch.randn_like(x), x) for i, x in enumerate(_tokens())]
    assert torch.equal(before, sequence(other, hidden))
    assert not torch.equal(before, sequence(_tokens(seed=1), hidden))


def test_attention_goes_both_ways_in_time(sequence):
    hidden = torch.zeros(2, 5, 3, dtype=torch.bool)
    tokens = _tokens()
    before = sequence(tokens, hidden)
    tokens[0][:, -1] += 1
    assert not torch.equal(before[:, 0], sequence(tokens, hidden)[:, 0])


def test_tokens_of_a_time_step_share_a_position_and_slots_their_mask_token(sequence):
    """With everything masked and one position for all, only the slot is left to tell tokens apart."""
    hidden = torch.ones(1, 5, 3, dtype=torch.bool)
    assert sequence.positions.shape == (5, 1, 8)
    with torch.no_grad():
        sequence.positions.copy_(sequence.positions[:1].expand(5, -1, -1))
    out = sequence(_tokens(n=1), hidden)
    torch.testing.assert_close(out[0, 0], out[0, 3])
    assert not torch.allclose(out[0, 0, 0], out[0, 0, 1])


def test_the_error_is_the_mean_over_masked_tokens_with_equal_weight_of_slots():
    torch.manual_seed(0)
    heads = Heads(SLOTS, 8).double()
    outputs = torch.randn(2, 5, 3, 8, dtype=torch.float64, generator=torch_rng("o"))
    hidden = torch.rand(2, 5, 3, generator=torch_rng("h")) < 0.6
    targets, expected = _tokens(), 0.0
    for slot, (kind, size) in enumerate(SLOTS):
        errors = []
        for i in range(2):
            for t in range(5):
                if hidden[i, t, slot]:
                    difference = heads.back[kind](outputs[i, t, slot]) - targets[slot][i, t]
                    errors.append((difference @ difference).item() / size)
        expected += sum(errors) / len(errors) / len(SLOTS)
    assert heads.error(outputs, targets, hidden).item() == pytest.approx(expected, rel=1e-9)
    assert heads.error(outputs, targets, torch.zeros_like(hidden)).item() == 0


# -------------------------------------------------------------------------------------------- rpt: observation tokens


def test_loss_is_the_error_plus_the_mean_squared_correlation(data, make_batch):
    """In float64, put together here from features, masks and heads; targets are those very features, standardised."""
    method = build(RPT, data).double()
    batch, config = make_batch(4), method.config
    features = method.encoder(batch.frames.flatten(0, 2))
    features = (features - features.mean(0)) / (features.var(0, correction=0) + 1e-5).sqrt()
    n, d = features.shape
    correlation = features.T @ features / (n - 1)
    penalty = (correlation**2).sum() - (correlation.diagonal() ** 2).sum()
    tokens = features.view(4, 4, 2, d)
    hidden = draw_masks((4, 4, 2), config.mask_low, config.mask_high, torch_rng("test"))
    predicted = method.heads.back["vision"](method.sequence(tokens.unbind(2), hidden))
    squared = ((predicted - tokens) ** 2).mean(-1)
    error = sum(squared[:, :, slot][hidden[:, :, slot]].mean() for slot in range(2)) / 2
    assert loss_of(method, batch).item() == pytest.approx((error + 0.1 * penalty / (d * (d - 1))).item(), rel=1e-6)


@pytest.mark.parametrize("target", ["simsiam", "ema"])
def test_targets_give_no_gradient(target, data, make_batch):
    """With blind heads, all gradient of the error would have to come through the targets."""
    method = build(RPT, data, target=target, redundancy_weight=0.0)
    nn.init.zeros_(method.heads.back["vision"].weight)
    loss_of(method, make_batch(4)).backward()
    assert not method.encoder.trunk.conv1.weight.grad.any()
    if target == "ema":
        assert all(p.grad is None for p in method.target.parameters())


def test_an_ema_target_follows(data, make_batch):
    method = build(RPT, data, target="ema", ema=0.9)
    before = method.target.target.trunk.conv1.weight.clone()
    descend(method, make_batch(4), 2)
    assert not torch.equal(before, method.target.target.trunk.conv1.weight)
    assert unreached(method, make_batch(4)) == []


def test_rpt_learns_and_gradient_reaches_everything(data, make_batch):
    method = build(RPT, data)
    assert unreached(method, make_batch(4)) == []
    curve = descend(method, make_batch(4), 5)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_with_the_guard_collapse_earns_nothing(data, make_batch):
    """All frames nearly the same feature: predicted well without the guard; with it, tiny differences still count in full."""
    batch = make_batch(4)
    rows = torch.arange(batch.frames[:, :, :, 0, 0, 0].numel())
    noise = torch.randn(len(rows), 64, generator=torch_rng("noise"))
    errors = {}
    for guard in (True, False):
        method = build(RPT, data) if guard else build(RPT, data, **RPT.variants["no_guard"])
        method.encoder.forward = lambda images: 1e-2 * noise[: len(images)]
        nn.init.zeros_(method.heads.back["vision"].weight)
        nn.init.zeros_(method.heads.back["vision"].bias)
        errors[guard] = method.loss(batch, torch_rng("test"))[1]["error"].item()
    assert errors[True] == pytest.approx(1, abs=0.1)
    assert errors[False] < 1e-3


def test_with_the_guard_copies_of_one_feature_cost(data, make_batch):
    batch = make_batch(4)
    one = torch.randn(32, 1, generator=torch_rng("one"))
    method = build(RPT, data)
    method.encoder.forward = lambda images: one.expand(-1, 64)
    assert method.loss(batch, torch_rng("test"))[1]["redundancy"].item() == pytest.approx(1, abs=0.1)


# ------------------------------------------------------------------------------------------------------- sensorimotor


@pytest.fixture
def method(data):
    return build(RPTSensorimotor, data)


def test_tokens_are_cameras_proprioception_and_action(method, data):
    assert method.encoder.sequence.kinds == ["vision", "vision", "proprio", "action"]
    batch_spec = method.batch_spec(method.config)
    assert batch_spec.actions
    assert batch_spec.proprio
    silent = build(RPTSensorimotor, replace(data, proprio_dim=0))
    assert silent.encoder.sequence.kinds == ["vision", "vision", "action"]


def test_sensorimotor_loss_is_the_masked_error_of_all_modalities(method, make_batch):
    method.double()
    batch, config = make_batch(4), method.config
    batch.proprio, batch.actions = batch.proprio.double(), batch.actions.double()
    vision = method.encoder.trunk(batch.frames.flatten(0, 2))
    standard = lambda x: (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()  # noqa: E731
    tokens = [*standard(vision).view(4, 4, 2, -1).unbind(2)]
    numbers = (x.flatten(0, 1) for x in (batch.proprio, batch.actions))
    tokens += [((x - x.mean(0)) / x.std(0, correction=0)).view(4, 4, -1) for x in numbers]
    hidden = draw_masks((4, 4, 4), config.mask_low, config.mask_high, torch_rng("test"))
    outputs = method.encoder.sequence(tokens, hidden)
    expected = 0.0
    for slot, kind in enumerate(method.encoder.sequence.kinds):
        squared = ((method.heads.back[kind](outputs[:, :, slot]) - tokens[slot]) ** 2).mean(-1)
        expected += squared[hidden[:, :, slot]].mean().item() / 4
    assert loss_of(method, batch).item() == pytest.approx(expected, rel=1e-6)


def test_visual_features_are_frozen_weights_and_statistics(method, make_batch):
    before = {name: tensor.clone() for name, tensor in method.encoder.trunk.state_dict().items()}
    descend(method, make_batch(4), 3)
    assert all(torch.equal(before[name], tensor) for name, tensor in method.encoder.trunk.state_dict().items())
    assert not method.encoder.trunk.training
    listed = {id(p) for group in method.groups() for p in group.params}
    assert not listed & {id(p) for p in method.encoder.trunk.parameters()}


def test_sensorimotor_learns_and_gradient_reaches_everything(method, make_batch):
    assert unreached(method, make_batch(4, size=8)) == []
    curve = descend(method, make_batch(4), 5)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_policies_see_the_transformer_s_token_of_one_picture(method, make_batch):
    """Training changes it although the trunk is frozen, and it depends on the image; everything else is masked."""
    encoder, batch = method.encoder, make_batch(4)
    frames = batch.frames[:, 0, 0]
    descend(method, batch, 1)
    encoder.eval()
    before = encoder.pooled(frames)
    assert before.shape == (4, method.config.model_width)
    assert torch.cdist(before, before).sum() > 0
    tokens = [torch.randn(4, 4, size) for size in encoder.sizes]
    tokens[0][:, -1] = encoder.visual(frames)
    hidden = torch.ones(4, 4, 4, dtype=torch.bool)
    hidden[:, -1, 0] = False
    torch.testing.assert_close(encoder.sequence(tokens, hidden)[:, -1, 0], before)
    descend(method.train(), batch, 2)
    assert not torch.equal(before, encoder.eval().pooled(frames))


def test_without_the_weights_the_row_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    for preset in ("quick", "paper"):
        assert "weights fetch imagenet" in RPTSensorimotor.unavailable_reason(component_config(RPTSensorimotor, preset, "fake"))
    assert RPTSensorimotor.unavailable_reason(component_config(RPTSensorimotor, "smoke", "fake")) is None


def test_imagenet_features_come_out_of_the_published_file(published, monkeypatch, data, make_batch):
    """A file in torchvision's layout: the trunk computes what torchvision's network does."""
    monkeypatch.setattr("benchmark.methods.rpt.RESNET18_IMAGENET", replace(RESNET18_IMAGENET, checksum=""))
    method = build(RPTSensorimotor, data, features="imagenet", size=64)
    frames = make_batch(4).frames[:, 0, 0]
    published.fc = nn.Identity()
    expected = published.eval()(method.encoder.trunk.prepare(frames))
    torch.testing.assert_close(method.encoder.trunk(frames), expected)
    assert method.encoder.sequence.embed["vision"].in_features == 512
