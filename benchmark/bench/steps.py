"""Training steps of anything that learns: one operation after another and, on a GPU, as a captured graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmark.bench.case import Bench
from benchmark.bench.floor import cost_of_step
from benchmark.bench.measurement import Measurement
from benchmark.bench.text import milliseconds
from benchmark.training.accelerator import EagerStep
from benchmark.training.captured import WARM_UP, CapturedStep
from benchmark.training.optimizers import make_optimizer, set_learning_rates, tensor_rates

STEPS = 100_000  # of the schedule; only its end would be another


def measure_steps(
    bench: Bench,
    name: str,
    unit: str,
    module: Any,
    batch_at: Callable[[int], Any],
    units: int,
    precision: str,
    released: Callable[[], object] | None = None,
) -> list[Measurement]:
    """`units` in a step. All of a step counts: its batch, its learning rate, its moving averages. `released` takes turns."""
    config = module.config
    module.to(bench.device).train()
    groups = module.groups()
    optimizer = make_optimizer(groups, config)
    eager = EagerStep(module, groups, optimizer, config.clip, bench.device, precision)
    position = 0

    def step(take: Callable[[Any, int], object]) -> None:
        nonlocal position
        set_learning_rates(optimizer, groups, config, position, STEPS)
        torch.manual_seed(position)
        take(batch_at(position), position)
        module.after_step(position, STEPS)
        position += 1

    works: dict[str, Callable[[], object]] = {"eager": lambda: step(eager)}
    reason: str | None = "graphs are captured on CUDA devices, and there is none here"
    if bench.device == "cuda":
        tensor_rates(optimizer, bench.device)
        captured = CapturedStep(eager)
        for _ in range(WARM_UP + 1):
            step(captured)
        reason = captured.reason
        if reason is None:
            works["captured"] = lambda: step(captured)
    step(eager)
    cost = cost_of_step(lambda: step(eager), optimizer)
    if released is not None:
        works["released"] = released
    rates = bench.timer.rates(works)
    theirs = rates.pop("released", None)
    lines = []
    for how, rate in rates.items():
        detail = f"{milliseconds(rate.seconds)} a step of {units}, {precision}"
        lines.append(bench.measured(f"{name}/{how}", unit, rate, units, cost, precision, detail, theirs))
    if reason is not None:
        lines.append(Measurement(f"{name}/captured", reason=reason))
    return lines
