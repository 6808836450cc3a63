"""Pretraining steps of the methods that are measured, with the networks of the preset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmark import registry
from benchmark.bench.case import Bench, Case
from benchmark.bench.measurement import Measurement
from benchmark.bench.noise import noise
from benchmark.bench.released import released_step, scripts
from benchmark.bench.scale import Scale
from benchmark.bench.steps import measure_steps
from benchmark.contracts.presets import component_config
from benchmark.data.windows import WindowSampler
from benchmark.planning.recipes import defaults


def cases(scale: Scale) -> list[Case]:
    named = [(method, size) for method in defaults()["bench_methods"] for size in scale.resolutions]
    return [Case(f"pretrain/{method}@{size}", _measure(method, size)) for method, size in named]


def _measure(method: str, resolution: int) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        cls: Any = registry.methods().get(method)
        [env] = defaults()["bench_env"]
        config = component_config(cls, bench.scale.preset, env)
        spec = cls.batch_spec(config)
        demos = noise(resolution, bench.scale.episodes, env)
        windows = max(1, bench.scale.pixels // resolution**2 // spec.window)
        config = replace(config, batch_size=min(config.batch_size, windows))
        sampler = WindowSampler(demos, np.arange(len(demos)), spec, config.batch_size, 0, bench.device)
        released = None
        if bench.released is not None and method in scripts():
            released = released_step(method, bench.released, config, sampler.batch_at(0), bench.device)
        torch.manual_seed(0)
        module = cls(config, demos.spec)
        return measure_steps(
            bench, name, "frames/s", module, sampler.batch_at, sampler.frames_per_step, bench.precision, released
        )

    return measure
