"""Batches alone: windows of frames for pretraining, chunks of features and actions for policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from torch import Tensor

from benchmark import registry
from benchmark.bench.case import Bench, Case, need_cuda
from benchmark.bench.floor import Cost
from benchmark.bench.heads import build
from benchmark.bench.measurement import Measurement
from benchmark.bench.noise import noise
from benchmark.bench.scale import Scale
from benchmark.bench.text import milliseconds
from benchmark.contracts.method import BatchSpec
from benchmark.data.windows import WindowSampler
from benchmark.planning.recipes import defaults

WINDOW, BATCH = 5, 64  # of the paper's Push-T


def cases(scale: Scale) -> list[Case]:
    windows = [
        Case(f"sampler/windows@{size}/{where}", _windows(size, where == "resident"))
        for size in scale.resolutions
        for where in ("gathered", "resident")
    ]
    return [*windows, Case("sampler/chunks", _chunks)]


def _windows(resolution: int, resident: bool) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        if resident:
            need_cuda(bench.device)
        [env] = defaults()["bench_env"]
        demos = noise(resolution, bench.scale.episodes, env)
        spec = BatchSpec(window=WINDOW)
        sampler = WindowSampler(demos, np.arange(len(demos)), spec, BATCH, 0, bench.device, resident)
        return [_measured(bench, name, "frames/s", sampler.batch_at, sampler.frames_per_step)]

    return measure


def _chunks(bench: Bench, name: str) -> list[Measurement]:
    [policy] = defaults()["policies"]
    _, sampler = build(registry.policies().get(policy), bench)
    return [_measured(bench, name, "samples/s", sampler.batch_at, sampler.batch_size)]


def _measured(bench: Bench, name: str, unit: str, batch_at: Callable[[int], Any], units: int) -> Measurement:
    """Every byte of a batch is read once and written once."""
    position = 0

    def batch() -> Any:
        nonlocal position
        position += 1
        return batch_at(position)

    made = batch()
    tensors = [value for field in fields(made) if isinstance(value := getattr(made, field.name), Tensor)]
    cost = Cost(bytes=2 * sum(tensor.nbytes for tensor in tensors))
    rate = bench.timer.rates({"batch": batch})["batch"]
    return bench.measured(name, unit, rate, units, cost, detail=f"{milliseconds(rate.seconds)} a batch of {units}")
