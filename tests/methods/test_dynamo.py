"""DynaMo: its loss against the paper's equations, its ablations, and the release's defects where asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmark.contracts.data import Windows
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import torch_rng
from benchmark.methods.dynamo import Config, DynaMo
from benchmark.planning.variants import with_variant
from benchmark.training.optimizers import make_optimizer

TINY = Config(
    width=8, context=4, latent_dim=3, layers=1, heads=2, transformer_width=8, batch_size=4, normalize_embedding=False, lr=1e-3
)
VARIANTS = {name: replace(TINY, **values) for name, values in {"full": {}, **DynaMo.variants}.items()}
EMA_AS_RELEASED = replace(TINY, target="ema", as_released=True)


@pytest.fixture
def build(data):
    def make(config: Config) -> DynaMo:
        torch.manual_seed(0)
        method = DynaMo(config, data)
        for name, parameter in method.named_parameters():  # away from the tiny weights of initialisation
            if "model" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        return method

    return make


def by_the_equations(method: DynaMo, batch: Windows, config: Config, target=None) -> torch.Tensor:
    """Equation 1 of the paper with loops over batch, views and time; networks are used as functions only."""
    b, t, v = batch.frames.shape[:3]
    flat = method.encoder(batch.frames.flatten(0, 2))
    if config.normalize_embedding:
        flat = (flat - flat.mean(0)) / (flat.var(0, correction=0) + 1e-5).sqrt()
    s = flat.view(b, t, v, -1)
    wanted = s if target is None else target(batch.frames.flatten(0, 2)).view(b, t, v, -1)
    d = s.shape[-1]
    loss = torch.zeros((), dtype=torch.float64)

    errors = []
    for i in range(b):
        for view in range(v):
            sequence = s[i : i + 1, :, view]
            z = method.inverse_model(sequence)[0] if config.inverse else None
            if config.uses_actions:
                taken = batch.actions[:, :-1].reshape(-1, 3)
                scaled = (batch.actions - taken.mean(0)) / taken.std(0, correction=0)
                said = method.action_model(z) if config.action_head else z
                action_error = sum((said[k + 1] - scaled[i, k]).square().mean() for k in range(t - 1)) / (t - 1)
                loss = loss + action_error / (b * v)
            if config.inverse_target == "action":
                continue
            steps = []
            for k in range(t - 1):
                parts = ([sequence[0, k]] if config.forward else []) + ([z[k + 1]] if config.inverse else [])
                steps.append(torch.cat(parts))
            predicted = method.forward_model(torch.stack(steps)[None])[0]
            for k in range(t - 1):
                p, y = predicted[k], wanted[i, k + 1, view]
                errors.append(1 - (p @ y) / (p.norm() * y.norm()))
    if errors:
        loss = loss + sum(errors) / len(errors)
    if config.covariance:
        centred = flat - flat.mean(0)
        matrix = torch.einsum("ni,nj->ij", centred, centred) / (len(flat) - 1)
        off = [matrix[i, j] ** 2 for i in range(d) for j in range(d) if i != j]
        loss = loss + config.covariance_weight * sum(off) / (d if config.covariance_normalization == "dim" else len(off))
    return loss


@pytest.mark.parametrize("variant", [*VARIANTS, "normalized", "mean"])
def test_loss_is_the_published_one(variant, build, make_batch):
    extra = {
        "normalized": replace(TINY, normalize_embedding=True),
        "mean": replace(TINY, covariance_normalization="mean", covariance_weight=10.0),
    }
    config = {**VARIANTS, **extra}[variant]
    method = build(config).double()
    batch = make_batch(config.context)
    batch.actions = batch.actions.double()
    method.epoch.fill_(1)
    target = None
    if config.target == "ema":
        target = method.target.target
        for p in target.parameters():
            p.data.mul_(1.1)
    loss, logs = method.loss(batch, torch_rng("test"))
    expected = by_the_equations(method, batch, config, target)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert sum(v.item() for k, v in logs.items() if k != "spread") == pytest.approx(loss.item(), rel=1e-12)


@pytest.mark.parametrize("preset", ["smoke", "quick", "standard", "paper"])
def test_both_published_weightings_of_the_covariance_have_a_name_in_every_preset(preset, build, make_batch):
    """0.04 / d times the sum over pairs of dimensions in the paper's equation 1, 0.04 times their mean in the release."""
    config = replace(component_config(DynaMo, preset, "kitchen"), width=8)
    batch, pairs = make_batch(config.context), 64 * 63
    for variant, factor in {"equation_covariance": 1 / 64, "release_covariance": 1 / pairs, "as_released": 1 / pairs}.items():
        method = build(with_variant(DynaMo, config, variant, ""))
        method.epoch.fill_(1)
        x = method.encoder(batch.frames.flatten(0, 2)).double()
        squared = (x - x.mean(0)).T @ (x - x.mean(0)) / (len(x) - 1)
        expected = 0.04 * factor * (squared.square().sum() - squared.diagonal().square().sum())
        assert method.loss(batch, torch_rng("test"))[1]["covariance"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_reaches_every_trainable_tensor(variant, build, make_batch):
    """SimSiam and averaged targets alike; the release, whose SimSiam path is sound, once its first epoch is over."""
    method = build(VARIANTS[variant])
    method.epoch.fill_(1)
    method.loss(make_batch(VARIANTS[variant].context), torch_rng("test"))[0].backward()
    missed = [n for n, p in method.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert missed == []
    grouped = sorted(id(p) for group in method.groups() for p in group.params)
    assert grouped == sorted(id(p) for p in method.parameters() if p.requires_grad)


def test_the_inverse_model_learns_with_an_averaged_target_but_not_as_released(build, make_batch):
    for config, learns in ((replace(TINY, target="ema"), True), (EMA_AS_RELEASED, False)):
        method = build(config)
        method.epoch.fill_(1)
        method.loss(make_batch(4), torch_rng("test"))[0].backward()
        assert all((p.grad is not None) == learns for p in method.inverse_model.parameters())
        assert all(p.grad is not None for p in (*method.encoder.parameters(), *method.forward_model.parameters()))


def test_batch_norm_of_the_averaged_target(build, make_batch):
    """Sound: batch statistics. As released: mean 0 and variance 1 for ever."""
    for config, still in ((replace(TINY, target="ema"), False), (EMA_AS_RELEASED, True)):
        method = build(config).train()
        method.loss(make_batch(4), torch_rng("test"))
        assert (method.target.target.trunk.bn1.running_mean == 0).all() == still
        assert method.encoder.trunk.bn1.running_mean.any()
        assert method.target.target.training != still


def test_as_released_encoder_and_inverse_model_wait_for_the_second_epoch(build, make_batch):
    method = build(VARIANTS["as_released"])
    waiting = [*method.encoder.parameters(), *method.inverse_model.parameters()]
    method.loss(make_batch(4), torch_rng("test"))[0].backward()
    assert all(p.grad is None for p in waiting)
    assert all(p.grad is not None for p in method.forward_model.parameters())
    method.after_step(0, 80)
    assert method.epoch == 0
    method.after_step(1, 80)  # two steps of 80 are one epoch of 40
    assert method.epoch == 1
    method.loss(make_batch(4), torch_rng("test"))[0].backward()
    assert all(p.grad is not None for p in waiting)


def test_only_as_released_keeps_the_forward_model_at_a_constant_rate(build):
    scheduled = {name: {g.name: g.scheduled for g in build(VARIANTS[name]).groups()} for name in ("full", "as_released")}
    assert scheduled["full"] == {"encoder": True, "inverse": True, "forward": True}
    assert scheduled["as_released"] == {"encoder": True, "inverse": True, "forward": False}


def test_stop_gradient(build, make_batch):
    """The dynamics gradient with the targets replaced by constants is the same; without stop-gradient it is not."""
    for stop in (True, False):
        config = replace(TINY, stop_gradient=stop, covariance=False)
        method = build(config).double()
        batch = make_batch(4)
        method.loss(batch, torch_rng("test"))[0].backward()
        ours = method.encoder.trunk.conv1.weight.grad.clone()
        method.zero_grad()
        constant = method.encoder(batch.frames.flatten(0, 2)).detach()
        by_the_equations(method, batch, config, target=lambda _, constant=constant: constant).backward()
        same = torch.allclose(ours, method.encoder.trunk.conv1.weight.grad, rtol=1e-6, atol=1e-12)
        assert same == stop


def test_no_gradient_into_the_averaged_target(build, make_batch):
    method = build(replace(TINY, target="ema"))
    method.loss(make_batch(4), torch_rng("test"))[0].backward()
    assert all(p.grad is None for p in method.target.parameters())


def test_averaged_target_moves_after_every_step(build):
    """By 1 - beta with beta from 0.99 along a cosine: per step, or per epoch as released."""
    for config, beta in ((replace(TINY, target="ema"), 0.995), (EMA_AS_RELEASED, 0.995)):
        method = build(config)
        before = method.target.target.trunk.conv1.weight.clone()
        with torch.no_grad():
            method.encoder.trunk.conv1.weight.add_(1)
        method.after_step(400, 800)
        moved = method.target.target.trunk.conv1.weight - before
        torch.testing.assert_close(moved, torch.full_like(moved, 1 - beta), rtol=1e-3, atol=1e-6)
    method.after_step(419, 800)  # still the same epoch of 40
    again = method.target.target.trunk.conv1.weight - before
    torch.testing.assert_close(again, moved + (1 - beta) * (1 - moved), rtol=1e-3, atol=1e-6)


def test_latents_know_their_transition_and_nothing_later(build, make_batch, data):
    """The latent of t -> t + 1 sees frames up to t + 1; the prediction of t + 1 sees no later one."""
    method = build(TINY).eval()
    s = torch.randn(2, 4, method.encoder.dim, requires_grad=True)
    latents = method._latents(s)
    assert latents.shape == (2, 3, 3)
    (g,) = torch.autograd.grad(latents[:, 0].sum(), s, retain_graph=True)
    assert [bool(g[:, k].any()) for k in range(4)] == [True, True, False, False]
    (g,) = torch.autograd.grad(method._predict(s, latents)[:, 1].sum(), s)
    assert [bool(g[:, k].any()) for k in range(4)] == [True, True, True, False]


def test_what_an_ablation_takes_away(build):
    assert build(VARIANTS["no_inverse"]).inverse_model is None
    assert build(VARIANTS["no_bottleneck"]).inverse_model.head.out_features == 64
    assert build(VARIANTS["no_forward"]).forward_model.embed.in_features == TINY.latent_dim
    only = build(VARIANTS["actions_only"])
    assert only.forward_model is None
    assert only.inverse_model.head.out_features == 3
    assert {name for name, config in VARIANTS.items() if DynaMo.batch_spec(config).actions} == {"actions_only", "with_actions"}
    assert DynaMo.batch_spec(VARIANTS["short_context"]).window == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_on_one_batch_lower_the_loss(variant, build, make_batch):
    config = VARIANTS[variant]
    method = build(config).train()
    method.epoch.fill_(1)
    optimizer, batch = make_optimizer(method.groups(), config), make_batch(config.context)
    losses = []
    for _ in range(6):
        loss = method.loss(batch, torch_rng("test"))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert losses[-1] < losses[1]


@pytest.mark.parametrize(
    ("env", "inverse", "forward"),
    [
        ("kitchen", 1_115_944, 1_177_832),
        ("block_push", 291_184, 328_544),
        ("pusht", 1_109_528, 1_171_472),
        ("libero_goal", 1_112_432, 1_174_352),
    ],
)
def test_paper_presets_have_the_sizes_of_the_release(env, inverse, forward, data):
    method = DynaMo(component_config(DynaMo, "paper", env), data)
    sizes = [sum(p.numel() for p in g.params) for g in method.groups()]
    assert sizes == [11_176_512, inverse, forward]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"context": 1}, "at least 2 frames"),
        ({"target": "moco"}, "none of simsiam, ema"),
        ({"forward": False, "inverse": False}, "nothing to predict from"),
        ({"stop_gradient": False, "target": "ema"}, "excludes target=ema"),
        ({"inverse": False, "action_head": True}, "through its inverse model"),
        ({"inverse_target": "action", "action_head": True}, "answers in actions already"),
        ({"heads": 7}, "divisible"),
        ({"as_released": True, "normalize_embedding": True}, "normalize_embedding"),
    ],
)
def test_impossible_combinations_stop_before_any_work(wrong, message):
    with pytest.raises(BenchmarkError, match=message):
        Config(**wrong)
