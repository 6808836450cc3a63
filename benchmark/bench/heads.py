"""A training step of each policy head and of its tokenizer, and a call of those that do not learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmark import registry
from benchmark.bench.case import Bench, Case
from benchmark.bench.floor import Cost, flops_of
from benchmark.bench.measurement import Measurement
from benchmark.bench.noise import ACTION, LENGTH, PROPRIO
from benchmark.bench.released import released_fit, scripts
from benchmark.bench.scale import Scale
from benchmark.bench.steps import measure_steps
from benchmark.bench.text import milliseconds
from benchmark.contracts.policy import ActionTokenizer, Policy
from benchmark.contracts.presets import component_config
from benchmark.contracts.specs import PolicySpec
from benchmark.core.machine import resolve_policy_precision
from benchmark.core.seeds import torch_rng
from benchmark.data.chunks import ChunkSampler
from benchmark.models.encoders import WIDTHS
from benchmark.planning.recipes import defaults
from benchmark.training.tokenizer import ActionSampler

LANGUAGE = 32  # numbers of a sentence's embedding; no head's time depends on it
FEATURES = 8  # times the width: what a ResNet-18 gives


def cases(scale: Scale) -> list[Case]:
    """A file that cannot be imported is a line with the reason."""
    heads, tokenizers = [], []
    for name in registry.policies().names():
        heads.append(Case(f"fit/{name}", _measure(name, "auto")))
        if registry.policies().problem(name) is not None:
            continue
        cls = registry.policies().get(name)
        if cls.learns:
            heads += [Case(f"fit/{name}@{precision}", _measure(name, precision)) for precision in scale.policy_precisions]
        if cls.Tokenizer and cls.Tokenizer.learning is not ActionTokenizer.learning:
            tokenizers.append(Case(f"tokenize/{name}", _measure_tokenizer(name)))
    return heads + tokenizers


def _measure(policy: str, wanted: str) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        cls = registry.policies().get(policy)
        head, sampler = build(cls, bench)
        if cls.learns:
            batch_at, units = sampler.batch_at, sampler.batch_size
            precision, released = resolve_policy_precision(wanted, bench.device), _released(bench, policy, head, sampler)
            return measure_steps(bench, name, "samples/s", head, batch_at, units, precision, released)
        return [_acting(bench, name, head, sampler)]

    return measure


def _measure_tokenizer(policy: str) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        head, samples = build(registry.policies().get(policy), bench)
        tokenizer = head.tokenizer.requires_grad_(True)
        config = tokenizer.learning()
        assert config is not None
        sampler = ActionSampler(samples.all().actions, min(config.batch_size, bench.scale.policy_batch), 0)
        return measure_steps(bench, name, "chunks/s", tokenizer, sampler.batch_at, sampler.batch_size, "fp32")

    return measure


def build(cls: type[Policy], bench: Bench) -> tuple[Policy, ChunkSampler]:
    """A head with the preset's settings, and samples of noise. Its tokenizer is not fitted: codes of noise are as good."""
    [env] = defaults()["bench_env"]
    config: Any = component_config(cls, bench.scale.preset, env)
    config = replace(config, batch_size=min(config.batch_size, bench.scale.policy_batch))
    rows, width = bench.scale.episodes * LENGTH, FEATURES * WIDTHS[bench.scale.preset]
    language, proprio = LANGUAGE * ("language" in cls.inputs), PROPRIO * ("proprio" in cls.inputs)
    rng = torch.Generator().manual_seed(0)
    ends = np.arange(1, bench.scale.episodes + 1) * LENGTH
    sampler = ChunkSampler(
        torch.randn(rows, width, generator=rng),
        torch.rand(rows, ACTION, generator=rng) * 2 - 1,
        ends - LENGTH,
        ends,
        np.arange(len(ends)),
        config,
        proprio=torch.randn(rows, proprio, generator=rng) if proprio else None,
        language=torch.randn(len(ends), language, generator=rng) if language else None,
        taken=cls.every_step,
        device=bench.device,
    )
    torch.manual_seed(0)
    head = cls(config, PolicySpec(width, ACTION, proprio_dim=proprio, language_dim=language)).to(bench.device)
    head.prepare(sampler.all(), torch_rng("prepare", 0, device=bench.device))
    return head, sampler


def _released(bench: Bench, policy: str, head: Policy, sampler: ChunkSampler) -> Callable[[], object] | None:
    if bench.released is None or policy not in scripts():
        return None
    features, actions = sampler.features.unsqueeze(1).split(LENGTH), sampler.actions.split(LENGTH)
    return released_fit(policy, bench.released, head.config, list(zip(features, actions, strict=True)), bench.device)


@torch.no_grad()
def _acting(bench: Bench, name: str, head: Policy, sampler: ChunkSampler) -> Measurement:
    samples = sampler.batch_at(0)
    rngs = [torch.Generator() for _ in range(sampler.batch_size)]

    def act() -> None:
        head.act(samples.features, samples.goal, rngs, **head.given(samples))

    rate = bench.timer.rates({"act": act})["act"]
    cost = Cost(flops_of(act), sum(tensor.nbytes for tensor in head.state_dict().values()))
    detail = f"{milliseconds(rate.seconds)} for {sampler.batch_size} plans from {len(sampler)} samples"
    return bench.measured(f"{name}/act", "samples/s", rate, sampler.batch_size, cost, detail=detail)
