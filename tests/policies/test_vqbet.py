"""VQ-BeT: its tokenizer, its loss and how it draws codes, against formulas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.conformance.policies import fitted_tokenizer
from benchmark.contracts.data import ActionBatch, Chunks
from benchmark.contracts.policy import ActionTokenizer
from benchmark.contracts.presets import component_config
from benchmark.contracts.specs import PolicySpec
from benchmark.core.progress import Task
from benchmark.models.precision import autocast
from benchmark.policies._shared.parts import block_outputs, block_outputs_alone, repeated
from benchmark.policies._shared.residual_vq import ResidualVQ, ResidualVQConfig
from benchmark.policies.vqbet import VQBeT, VQBeTConfig
from benchmark.training.tokenizer import ActionSampler, fit_tokenizer
from tests.policies.prepared import prepare

CODES = {"latent": 16, "tokenizer_epochs": 40, "tokenizer_batch": 128}
SMALL = {"layers": 1, "heads": 2, "width": 16, "hidden": 32, **CODES}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("env", "feature_dim", "action_dim", "goal_dim", "millions"),
    [
        ("kitchen", 512, 9, 0, 4.26),
        ("block_push", 1024, 2, 0, 4.09),
        ("pusht", 512, 2, 0, 28.77),
        ("libero_goal", 1024, 7, 1024, 4.38),
    ],
)
def test_parameter_counts_are_those_of_the_release(env, feature_dim, action_dim, goal_dim, millions):
    policy = VQBeT(component_config(VQBeT, "paper", env), PolicySpec(feature_dim, action_dim, goal_dim))
    assert round(sum(p.numel() for p in policy.parameters()) / 1e6, 2) == millions


def test_its_gelu_is_that_of_the_release():
    """minGPT's, by tanh (github.com/jeffacce/dynamo_ssl, gpt.py): 5e-4 from the exact one where they differ most."""
    policy = VQBeT(VQBeTConfig(**SMALL), PolicySpec(6, 2))
    assert {block.gelu for block in policy.trunk.blocks} == {"tanh"}


def clustered(n: int = 600, chunk: int = 4) -> torch.Tensor:
    """Chunks around eight prototypes, flat."""
    prototypes = torch.randn(8, chunk * 2, generator=rng())
    return prototypes[torch.arange(n) % 8] + 0.02 * torch.randn(n, chunk * 2, generator=rng(1))


def tokenizer_of(**changes) -> ResidualVQ:
    torch.manual_seed(0)
    return ResidualVQ(ResidualVQConfig(**{"chunk": 4, **CODES, **changes}), 2)


def fitted_to(chunks: torch.Tensor, **changes) -> Any:
    return fitted_tokenizer(ResidualVQ, tokenizer_of(**changes).config, chunks.unflatten(1, (4, 2)))


def test_the_tokenizer_learns_to_reconstruct_and_uses_its_codes():
    chunks = clustered()

    def error(tokenizer: ResidualVQ) -> float:
        return (tokenizer.decode(tokenizer.encode(chunks)) - chunks).abs().mean().item()

    tokenizer = fitted_to(chunks)
    assert error(tokenizer) < min(0.1, 0.2 * error(fitted_to(chunks, tokenizer_epochs=1)))
    codes = tokenizer.encode(chunks)
    assert codes[:, 0].unique().numel() >= 8
    assert (codes[:8, 0] == codes[8:16, 0]).all()  # the same prototypes, the same first codes


def test_an_arm_that_rests_does_not_draw_codes_to_itself() -> None:
    chunks = clustered(64)
    resting = torch.cat([chunks, chunks[:3].repeat(100, 1)])
    one, two = (fitted_to(each, tokenizer_epochs=3).state_dict() for each in (chunks, resting))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_weights_from_before_averages_were_kept_still_act() -> None:
    tokenizer = fitted_to(clustered(64), tokenizer_epochs=1)
    old = {name: tensor for name, tensor in tokenizer.state_dict().items() if name not in ("sums", "sizes")}
    other = tokenizer_of()
    other.load_state_dict(old)
    assert torch.equal(other.encode(clustered(64)), tokenizer.encode(clustered(64)))
    with pytest.raises(RuntimeError, match="codebooks"):
        other.load_state_dict({name: tensor for name, tensor in old.items() if name != "codebooks"})


def test_codes_are_those_of_float32_amid_reduced_precision():
    """A policy that is trained in bf16 learns the codes that it will choose from."""
    chunks = torch.randn(600, 8, generator=rng())
    tokenizer = fitted_to(chunks, tokenizer_epochs=3)
    codes = tokenizer.encode(chunks)
    with autocast("cpu", "bf16"):
        assert torch.equal(tokenizer.encode(chunks), codes)
        decoded = tokenizer.decode(codes)
    assert torch.equal(decoded, tokenizer.decode(codes))


def test_codes_are_the_nearest_of_what_remains():
    chunks = clustered(64)
    tokenizer = fitted_to(chunks, tokenizer_epochs=3, tokenizer_batch=64)
    residual = tokenizer.encoder(chunks).detach().double()
    for group, codes in enumerate(tokenizer.encode(chunks).unbind(1)):
        book = tokenizer.codebooks[group].double()
        assert torch.equal(((residual[:, None] - book[None]) ** 2).sum(-1).argmin(1), codes)
        residual = residual - book[codes]


def test_codebooks_follow_their_members_by_moving_average():
    tokenizer = tokenizer_of(codes=2, latent=1)
    start = torch.tensor([[0.0], [9.0]])
    tokenizer.codebooks[1], tokenizer.sums[1] = start, start
    tokenizer._move(1, torch.tensor([[1.0], [2.0], [3.0]]), torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(tokenizer.codebooks[1], torch.tensor([[0.2 * 6 / (0.8 + 0.2 * 3)], [9.0 * 0.8 / 0.8]]))
    assert not tokenizer.codebooks[0].any()


def test_a_code_without_members_keeps_its_place():
    """Long after the averages of its members have faded."""
    tokenizer = tokenizer_of(codes=2, latent=1)
    start = torch.tensor([[1.0], [9.0]])
    tokenizer.codebooks[1], tokenizer.sums[1] = start, start
    for _ in range(200):
        tokenizer._move(1, torch.ones(3, 1), torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(tokenizer.codebooks[1], start)


def test_each_epoch_of_a_tokenizer_has_an_order_of_its_own():
    """All chunks come once in each, and a sampler of another seed has other orders."""
    chunks = torch.arange(64.0)[:, None, None]
    orders = []
    for seed in (0, 1):
        sampler = ActionSampler(chunks, 16, seed)
        for epoch in range(3):
            steps = range(4 * epoch, 4 * epoch + 4)
            orders.append(tuple(torch.cat([sampler.batch_at(step).actions.flatten() for step in steps]).tolist()))
    assert len(set(orders)) == 6
    assert all(sorted(order) == list(range(64)) for order in orders)


def test_a_fit_that_was_interrupted_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Moving averages of the codes included."""
    actions = clustered().unflatten(1, (4, 2))

    def fit(folder: str, stop: int | None = None) -> ActionTokenizer:
        (tmp_path / folder).mkdir(exist_ok=True)

        class Interrupted(Task):
            def update(self, done: int, total: int, note: str = "") -> None:
                if done == stop:
                    raise KeyboardInterrupt

        tokenizer, trained = fit_tokenizer(
            ResidualVQ,
            tokenizer_of(tokenizer_epochs=4).config,
            actions,
            seed=1,
            device="cpu",
            checkpoints=tmp_path / folder,
            checkpoint_every=5,
            task=Interrupted(),
        )
        assert trained is not None
        assert trained.curves[-1]["step"] == 19
        return tokenizer

    whole = fit("whole")
    with pytest.raises(KeyboardInterrupt):
        fit("cut", stop=13)
    resumed = fit("cut")
    assert all(torch.equal(whole.state_dict()[name], tensor) for name, tensor in resumed.state_dict().items())


def test_the_tokenizer_learns_from_the_gradient_of_the_release():
    """A chain of vector quantisers in float64, each with a straight-through estimator of its own and a commitment to its input;
    the next one sees what the codes left over (github.com/jeffacce/dynamo_ssl, residual_vq.py)."""
    tokenizer = tokenizer_of().double()
    torch.nn.init.normal_(tokenizer.codebooks)
    books, chunks = tokenizer.codebooks.clone(), clustered(32).double()
    weights = [p for p in tokenizer.parameters() if p.requires_grad]
    latent, expected, quantised = tokenizer.encoder(chunks), 0.0, 0.0
    residual = latent
    for book in books:
        code = book[((residual[:, None] - book[None]) ** 2).sum(-1).argmin(1)]
        expected = expected + 5 * ((residual - code) ** 2).mean()
        through = residual + (code - residual).detach()
        quantised, residual = quantised + through, residual - through.detach()
    expected = expected + (tokenizer.decoder(quantised) - chunks).abs().mean()
    wanted = torch.autograd.grad(expected, weights)
    tokenizer.sums.copy_(books)
    loss, _ = tokenizer.loss(ActionBatch(chunks.unflatten(1, (4, 2))), rng())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    for one, two in zip(torch.autograd.grad(loss, weights), wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-12)


def fitted(**changes) -> tuple[VQBeT, Chunks]:
    torch.manual_seed(0)
    policy = VQBeT(VQBeTConfig(chunk=4, **SMALL | changes), PolicySpec(6, 2))
    actions = clustered().unflatten(1, (4, 2))
    batch = Chunks(torch.randn(600, 1, 6, generator=rng(2)), actions, torch.ones(600, 4, dtype=torch.bool))
    prepare(policy, batch, rng())
    return policy, batch


def test_training_leaves_the_tokenizer_alone():
    policy, batch = fitted()
    before = {name: tensor.clone() for name, tensor in policy.tokenizer.state_dict().items()}
    policy.train()
    optimizer = torch.optim.AdamW([p for g in policy.groups() for p in g.params], weight_decay=1.0)
    for step in range(3):
        loss, _ = policy.loss(batch, rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.tokenizer.state_dict().items())


def test_fitting_is_a_function_of_the_generator():
    one, two = (fitted()[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("choose", [block_outputs, block_outputs_alone])
def test_an_action_is_the_decoded_codes_plus_one_offset_per_code(choose):
    policy, batch = fitted()
    logits, hidden = policy._heads(batch.features[:5], None)
    codes = torch.tensor([[3, 1], [0, 0], [15, 2], [7, 7], [4, 9]])
    chunks = policy._compose(codes, hidden, choose)
    offsets = policy.offset_head[-1](hidden).view(5, 2, 16, 4, 2)
    for row, (first, second) in enumerate(codes.tolist()):
        latent = policy.tokenizer.codebooks[0, first] + policy.tokenizer.codebooks[1, second]
        decoded = policy.tokenizer.decoder(latent).view(4, 2)
        torch.testing.assert_close(chunks[row], decoded + offsets[row, 0, first] + offsets[row, 1, second])
    assert logits.shape == (5, 2, 16)


def test_rows_of_a_rollout_are_not_multiplied_in_groups(monkeypatch):
    """While training, rows that share a code are: their rounding depends on each other. In a rollout it must not."""
    policy, batch = fitted()
    monkeypatch.setattr("benchmark.policies.vqbet.block_outputs_alone", None)
    assert policy.act(batch.features[:4], None, [rng(i) for i in range(4)]).shape == (4, 4, 2)
    with pytest.raises(TypeError):
        policy.loss(batch, rng())


@pytest.mark.parametrize("as_released", [False, True])
def test_offsets_of_sampled_codes_average_the_modes(as_released):
    """Why the default departs from the release: trained on sampled codes, the offsets undo what the codes keep apart."""
    torch.manual_seed(0)
    policy = VQBeT(VQBeTConfig(as_released=as_released, **SMALL), PolicySpec(6, 2))
    side = torch.where(torch.arange(256) % 2 == 0, 1.0, -1.0)[:, None, None]
    actions = side + 0.05 * torch.randn(256, 1, 2, generator=rng())
    batch = Chunks(torch.zeros(256, 1, 6), actions, torch.ones(256, 1, dtype=torch.bool))
    prepare(policy, batch, rng())
    optimizer = torch.optim.AdamW([p for g in policy.groups() for p in g.params], lr=1e-3)
    for step in range(200):
        loss, _ = policy.loss(batch, rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        distance = policy.act(batch.features, None, [rng(i) for i in range(256)]).mean((1, 2)).abs()
    kept = (distance > 0.8).float().mean()
    assert kept < 0.5 if as_released else kept > 0.9  # six seeds of both: 0 to 0.3, and 0.996 to 1


def sharp(**changes) -> tuple[VQBeT, Chunks, np.ndarray]:
    """On 64 chunks, with logits (64, 2, 16) that are far from even; most of the chunks end early."""
    policy, batch = fitted(tokenizer_epochs=1, **changes)
    torch.nn.init.normal_(policy.code_head[-1].weight, std=2.0)
    valid = torch.arange(4)[None] < torch.randint(1, 5, (64, 1), generator=rng(3))
    batch = Chunks(batch.features[:64], batch.actions[:64], valid)
    batch = replace(batch, actions=repeated(batch))  # as samplers pad
    with torch.no_grad():
        return policy, batch, policy._heads(batch.features, None)[0].double().numpy()


def drawn(logits: np.ndarray, uniform: torch.Tensor, temperature: float) -> torch.Tensor:
    """Codes (N, 2): how many of the cumulated probabilities are not above the number."""
    weights = np.exp(logits / temperature)
    cumulated = np.cumsum(weights / weights.sum(-1, keepdims=True), axis=-1)
    return torch.from_numpy((cumulated <= uniform.double().numpy()[..., None]).sum(-1))


@torch.no_grad()
def composed(policy: VQBeT, batch: Chunks, codes: torch.Tensor) -> np.ndarray:
    """(N, chunk, A)."""
    offsets = policy.offset_head(policy.trunk(batch.features)[:, -1]).unflatten(1, (2, 16, 8))
    rows = torch.arange(len(codes))
    chunks = policy.tokenizer.decode(codes) + offsets[rows, 0, codes[:, 0]] + offsets[rows, 1, codes[:, 1]]
    return chunks.unflatten(1, (4, 2)).double().numpy()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_codes_are_drawn_at_the_temperature(temperature):
    policy, batch, logits = sharp(temperature=temperature)
    with torch.no_grad():
        acted = policy.act(batch.features, None, [rng(i) for i in range(64)])
    codes = drawn(logits, torch.stack([torch.rand(2, generator=rng(i)) for i in range(64)]), temperature)
    np.testing.assert_allclose(acted.numpy(), composed(policy, batch, codes), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("as_released", [False, True])
def test_the_loss_weighs_the_first_code_ten_times_the_second_and_the_offsets_by_their_own(as_released):
    """5 and 0.5 times focal losses with gamma 2 (github.com/jeffacce/dynamo_ssl); no temperature while training."""
    policy, batch, logits = sharp(as_released=as_released, offset_weight=7.0, temperature=0.1)
    target = policy.tokenizer.encode(batch.actions.flatten(1))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    p = np.take_along_axis(p, target.numpy()[..., None], -1)[..., 0]
    first, second = (-((1 - p) ** 2) * np.log(p)).mean(0)
    codes = drawn(logits, torch.rand((64, 2), generator=rng(4)), 1.0)
    if not as_released:
        codes[:, 0] = target[:, 0]
    errors = np.abs(composed(policy, batch, codes) - batch.actions.double().numpy())[batch.valid.numpy()]
    loss, logs = policy.loss(batch, rng(4))
    assert logs["code_loss"].item() == pytest.approx(5 * first + 0.5 * second, rel=1e-4)
    assert logs["offset_loss"].item() == pytest.approx(errors.mean(), rel=1e-4)
    assert loss.item() == pytest.approx(5 * first + 0.5 * second + 7 * errors.mean(), rel=1e-4)
