"""What every policy promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from benchmark import registry
from benchmark.conformance.common import Faults, check_preset_names, ensure, tensors
from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import ActionTokenizer, Policy, PolicyConfig
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.contracts.specs import PolicySpec
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.progress import Task
from benchmark.core.seeds import seed, torch_rng
from benchmark.core.typed import from_json
from benchmark.models.precision import autocast
from benchmark.training.tokenizer import fit_tokenizer

FEATURES, ACTIONS = 6, 3
LOSS_IN_BF16, GRADIENT_IN_BF16 = 0.01, 0.99  # the heads of `benchmark`: at most 0.002, at least 0.999
PADDING = 1e-5  # by how much of itself a loss or a gradient may change with it
HUGE = 1e15  # and its square a number of float32
SEPARATE = {"proprio": 4, "language": 5}  # sizes of what a policy may take besides features


def _spec(cls: type[Policy], goal_dim: int = 0) -> PolicySpec:
    sizes = {f"{name}_dim": size for name, size in SEPARATE.items() if name in cls.inputs}
    return PolicySpec(FEATURES, ACTIONS, goal_dim, **sizes)


def _chunks(policy: Policy, samples: int = 64) -> Chunks:
    """Samples in which the action is a function of the newest feature."""
    rng, config, goal_dim = torch_rng("conformance", "chunks"), policy.config, policy.spec.goal_dim
    features = torch.randn(samples, config.history, FEATURES, generator=rng)
    actions = torch.tanh(features[:, -1:, :ACTIONS]).repeat(1, config.chunk, 1)
    goal = torch.randn(samples, goal_dim, generator=rng) if goal_dim else None
    proprio = torch.randn(samples, config.history, SEPARATE["proprio"], generator=rng)
    language = torch.randn(samples, SEPARATE["language"], generator=rng)
    return Chunks(
        features,
        actions,
        torch.ones(samples, config.chunk, dtype=torch.bool),
        goal,
        proprio=proprio if "proprio" in policy.inputs else None,
        language=language if "language" in policy.inputs else None,
        taken=torch.tanh(features[..., :ACTIONS]) if policy.every_step else None,
    )


def _act(policy: Policy, batch: Chunks, rngs: list[torch.Generator]) -> torch.Tensor:
    more: dict[str, Any] = {name: getattr(batch, name) for name in SEPARATE if name in policy.inputs}
    return policy.act(batch.features, batch.goal, rngs, **more)


def fitted_tokenizer(cls: type[ActionTokenizer], config: Any, actions: torch.Tensor, training_seed: int = 0) -> ActionTokenizer:
    """As its stage fits it, with the settings of a policy, to chunks (N, chunk, A)."""
    with TemporaryDirectory() as folder:
        tokenizer, _ = fit_tokenizer(
            cls,
            cls.settings(config),
            actions,
            seed=training_seed,
            device="cpu",
            checkpoints=Path(folder),
            checkpoint_every=1000,
            task=Task(),
        )
    return tokenizer


def _policy(cls: type[Policy], config: Any, goal_dim: int = 0) -> Policy:
    torch.manual_seed(seed("conformance"))
    policy = cls(component_config(cls, "smoke", "fake") if config is None else config, _spec(cls, goal_dim))
    samples = _chunks(policy)
    if cls.Tokenizer:
        policy.tokenizer.load_state_dict(fitted_tokenizer(cls.Tokenizer, policy.config, samples.actions).state_dict())
    policy.prepare(samples, torch_rng("conformance", "prepare"))
    return policy


def policy_presets(cls: type[Policy], config: Any = None) -> None:
    """Presets set only fields that exist, to values that are allowed; `inputs` names only what there is."""
    for name in cls.inputs:
        if name not in ("features", *SEPARATE):
            raise UnknownName(f"input of {cls.name}", name, ("features", *SEPARATE))
    check_preset_names(cls)
    for preset in PRESETS:
        for env in registry.envs().names():
            training, _ = component_config(cls, preset, env).split()
            from_json(cls.Config, training)  # as a fit is built


def policy_acts(cls: type[Policy], config: Any = None) -> None:
    """Actions are finite chunks of the declared size, with and without a goal."""
    for goal_dim in (0, 4):
        policy = _policy(cls, config, goal_dim).eval()
        batch = _chunks(policy, samples=5)
        given = f"act(features, {'goal' if goal_dim else 'None'}, rngs) of 5 episodes"
        with Faults() as faults:
            actions = _act(policy, batch, [torch_rng("row", i) for i in range(5)])
            wanted = (5, policy.config.chunk, ACTIONS)
            faults.ensure(
                actions.shape == wanted,
                f"{given}: shape {tuple(actions.shape)}, promised is (episodes, chunk, actions): {wanted}",
            )
            faults.ensure(bool(actions.isfinite().all()), f"{given}: actions contain NaN or infinite numbers")


def policy_rows_are_independent(cls: type[Policy], config: Any = None) -> None:
    """An episode's actions depend on its own observations and generator, not on the rows beside it."""
    policy = _policy(cls, config).eval()
    batch = _chunks(policy, samples=5)
    first = _act(policy, batch, [torch_rng("row", i) for i in range(5)])
    for kept in (0, 3):
        others = [i for i in range(5) if i != kept]
        changed = batch.features.clone()
        changed[others] = changed[others].flip(0)
        rngs = [torch_rng("row", i if i == kept else 90 + i) for i in range(5)]
        second = _act(policy, replace(batch, features=changed), rngs)
        torch.testing.assert_close(first[kept], second[kept], rtol=1e-5, atol=1e-6)


def policy_round_trip(cls: type[Policy], config: Any = None) -> None:
    """A fresh policy with stored tensors loaded into it acts the same."""
    policy = _policy(cls, config).eval()
    other = cls(policy.config, policy.spec)
    other.load_state_dict(load(save(tensors(policy))))
    batch = _chunks(policy, samples=5)
    act = lambda p: _act(p, batch, [torch_rng("row", i) for i in range(5)])  # noqa: E731
    ensure(torch.equal(act(policy), act(other.eval())), "actions differ after loading")


def policy_tokenizer(cls: type[Policy], config: Any = None) -> None:
    """A tokenizer is made of its own settings and fitted the same again; its policy takes it over and leaves it."""
    made_of = cls.Tokenizer
    if made_of is None:
        return
    policy = _policy(cls, config)
    actions = _chunks(policy).actions
    one, two = (tensors(fitted_tokenizer(made_of, policy.config, actions)) for _ in range(2))
    ensure(all(torch.equal(one[name], two[name]) for name in one), "two fits with the same seed differ")
    policy.tokenizer.load_state_dict(one)
    trained = {id(p) for group in policy.groups() for p in group.params}
    ensure(not any(id(p) in trained for p in policy.tokenizer.parameters()), "the policy goes on training its tokenizer")


def policy_learns(cls: type[Policy], config: Any = None) -> None:
    """The loss is finite, falls on a fixed batch, and its gradient reaches every tensor that is trained."""
    if not cls.learns:
        return
    policy = _policy(cls, config).train()
    batch = _chunks(policy)
    params = [p for g in policy.groups() for p in g.params]
    optimizer = torch.optim.Adam(params, lr=1e-3)
    losses = []
    for step in range(30):
        loss, _ = policy.loss(batch, torch_rng("conformance", "loss"))
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            missed = [n for n, p in policy.named_parameters() if p.requires_grad and p.grad is None]
            ensure(not missed, f"no gradient reaches {', '.join(missed[:5])}")
        optimizer.step()
        policy.after_step(step, 30)
        losses.append(loss.item())
    ensure(bool(np.isfinite(losses).all()) and losses[-1] < losses[0], f"loss went from {losses[0]:.4g} to {losses[-1]:.4g}")


def policy_ignores_padding(cls: type[Policy], config: Any = None) -> None:
    """Steps of a chunk that a demonstration no longer has leave the loss and its gradient alone, whatever stands there."""
    policy = _policy(cls, config).train()
    batch, chunk = _chunks(policy), policy.config.chunk
    if not cls.learns or chunk == 1:  # the first step always exists
        return
    valid = torch.arange(chunk) <= torch.arange(len(batch.actions))[:, None] % chunk
    last = torch.minimum(torch.arange(chunk), valid.sum(1, keepdim=True) - 1)
    repeated = batch.actions.gather(1, last[..., None].expand_as(batch.actions))  # as a sampler pads
    noise = torch.randn(batch.actions.shape, generator=torch_rng("conformance", "padding"))

    def learnt(padding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        policy.zero_grad()
        torch.manual_seed(seed("conformance"))  # dropout
        padded = replace(batch, actions=torch.where(valid[..., None], batch.actions, padding), valid=valid)
        loss, _ = policy.loss(padded, torch_rng("conformance", "loss"))
        loss.backward()
        return loss.detach(), torch.cat([p.grad.flatten() for g in policy.groups() for p in g.params if p.grad is not None])

    one, gradient = learnt(repeated)
    with Faults() as faults:
        for name, size in (("other actions", 1.0), ("huge numbers", HUGE)):
            other, its_gradient = learnt(size * noise)
            same = torch.allclose(one, other, rtol=PADDING)
            faults.ensure(
                same, f"with {name} in padded steps the loss is {other:.4g}, not {one:.4g}: leave out what is not valid"
            )
            near = bool((gradient - its_gradient).norm() <= PADDING * gradient.norm())
            faults.ensure(near, f"with {name} in padded steps the gradient is another: leave out what is not valid")


def policy_reduced_precision(cls: type[Policy], config: Any = None) -> None:
    """In bf16 (fit.precision) losses are numbers of float32 and near those computed in it; so is the gradient."""
    if not cls.learns:
        return
    policy = _policy(cls, config).train()
    batch = _chunks(policy)

    def learnt(precision: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        policy.zero_grad()
        torch.manual_seed(seed("conformance"))  # dropout
        with autocast("cpu", precision):
            loss, logs = policy.loss(batch, torch_rng("conformance", "loss"))
        loss.backward()
        gradients = [p.grad.flatten() for g in policy.groups() for p in g.params if p.grad is not None]
        return {"loss": loss.detach(), **logs}, torch.cat(gradients)

    (plain, gradient), (rounded, other) = learnt("fp32"), learnt("bf16")
    one, two = plain["loss"].item(), rounded["loss"].item()
    with Faults() as faults:
        for name, value in rounded.items():
            faults.ensure(value.dtype == plain[name].dtype, f"{name} is {value.dtype} in bf16, which resolves three digits")
        faults.ensure(abs(two / one - 1) < LOSS_IN_BF16, f"the loss is {two:.4g} in bf16 and {one:.4g} in float32")
        alike = torch.cosine_similarity(gradient, other, dim=0).item()
        faults.ensure(alike > GRADIENT_IN_BF16, f"the cosine of its gradient in bf16 and that in float32 is {alike:.4f}")


def policy_acting_settings(cls: type[Policy], config: Any = None) -> None:
    """A fit needs no setting that is marked as of acting, and is the same to the bit whatever it is."""
    base_training, base_acting = PolicyConfig().split()
    training, acting = (component_config(cls, "smoke", "fake") if config is None else config).split()
    wrong = sorted((base_training.keys() & acting.keys()) | (base_acting.keys() - acting.keys()))
    ensure(not wrong, f"{', '.join(wrong)}: fits read this or not, as PolicyConfig says; set it in `presets`, not in the class")
    plain = from_json(cls.Config, training)
    fitted = _fitted(cls, plain)
    with Faults() as faults:
        for name in acting:
            for other in _others(cls, plain, name):
                again = _fitted(cls, other)
                same = fitted.keys() == again.keys() and all(torch.equal(fitted[each], again[each]) for each in fitted)
                faults.ensure(same, f"a fit is another with {name}={getattr(other, name)}: do not mark it as `acting`")


def _others(cls: type[Policy], config: Any, name: str) -> Iterator[Any]:
    """With other values of one setting, where they are allowed: those of presets and some near to its own."""
    value = getattr(config, name)
    near: list[Any] = {
        bool: lambda: [not value],
        int: lambda: [value + 1, value - 1],
        float: lambda: [value + 1, value / 2],
        type(None): lambda: [1],
    }.get(type(value), list)()
    presets = [values[name] for values in cls.presets.values() if name in values]
    for other in dict.fromkeys([*near, *presets]):
        try:
            if other != value:
                yield replace(config, **{name: other})
        except BenchmarkError:  # not beside the others
            continue


def _fitted(cls: type[Policy], config: Any) -> dict[str, torch.Tensor]:
    """What a short fit leaves, and its losses."""
    policy = _policy(cls, config).train()
    if not cls.learns:
        return tensors(policy)
    batch, losses = _chunks(policy), []
    optimizer = torch.optim.Adam([p for group in policy.groups() for p in group.params], lr=1e-3)
    for step in range(2):
        loss, _ = policy.loss(batch, torch_rng("conformance", "loss", step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        policy.after_step(step, 2)
        losses.append(loss.detach())
    losses.append(policy.eval().loss(batch, torch_rng("conformance", "validation"))[0].detach())
    return {**tensors(policy), "losses": torch.stack(losses)}


PROMISES = (
    policy_presets,
    policy_acts,
    policy_rows_are_independent,
    policy_round_trip,
    policy_tokenizer,
    policy_learns,
    policy_ignores_padding,
    policy_reduced_precision,
    policy_acting_settings,
)
