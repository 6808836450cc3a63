"""Training steps of anything that learns: one operation after another, as a captured graph on a GPU, and compiled."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmark.bench.case import Bench
from benchmark.bench.floor import cost_of_step
from benchmark.bench.measurement import Measurement
from benchmark.bench.text import milliseconds
from benchmark.contracts.policy import ActionTokenizer
from benchmark.training.accelerator import EagerStep, Step
from benchmark.training.captured import WARM_UP, CapturedStep
from benchmark.training.optimizers import make_optimizer, set_learning_rates, tensor_rates

STEPS = 100_000  # of the schedule; only its end would be another


class Stepper:
    """The steps of a training as the loop takes them, one a call: batch, learning rate and moving averages included."""

    reason: str | None  # why no step can be captured

    def __init__(self, module: Any, batch_at: Callable[[int], Any], device: str, precision: str, compiled: bool = False):
        self._module, self._batch_at = module.to(device).train(), batch_at
        config = module.learning() if isinstance(module, ActionTokenizer) else module.config
        assert config is not None
        self._config = config
        self._groups, self._position = module.groups(), 0
        self.optimizer = make_optimizer(self._groups, self._config)
        self._eager = EagerStep(module, self._groups, self.optimizer, self._config.clip, device, precision, compiled=compiled)
        self.reason = "graphs are captured on CUDA devices, and there is none here"
        if device == "cuda":
            tensor_rates(self.optimizer, device)
            self._captured = CapturedStep(self._eager)
            for _ in range(WARM_UP + 1):
                self.captured()
            self.reason = self._captured.reason

    @property
    def best(self) -> Callable[[], dict[str, Tensor]]:
        """As a training takes them."""
        return self.captured if self.reason is None else self.eager

    def eager(self) -> dict[str, Tensor]:
        return self._step(self._eager)

    def captured(self) -> dict[str, Tensor]:
        """Where there is no `reason` against it."""
        return self._step(self._captured)

    def _step(self, take: Step) -> dict[str, Tensor]:
        set_learning_rates(self.optimizer, self._groups, self._config, self._position, STEPS)
        torch.manual_seed(self._position)
        values = take(self._batch_at(self._position), self._position)
        self._module.after_step(self._position, STEPS)
        self._position += 1
        return values


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
    stepper = Stepper(module, batch_at, bench.device, precision)
    works: dict[str, Callable[[], object]] = {"eager": stepper.eager}
    if stepper.reason is None:
        works["captured"] = stepper.captured
    stepper.eager()
    cost = cost_of_step(stepper.eager, stepper.optimizer)
    unmeasured = [] if stepper.reason is None else [Measurement(f"{name}/captured", reason=stepper.reason)]
    if bench.compiled:
        try:
            compiling = Stepper(copy.deepcopy(module), batch_at, bench.device, precision, compiled=True)
            compiling.best()
            works["compiled"] = compiling.best
        except Exception as error:  # the other lines stand without it
            reason = f"{type(error).__name__}: {str(error)[:300]}"
            unmeasured.append(Measurement(f"{name}/compiled", reason=reason, failed=True))
    if released is not None:
        works["released"] = released
    rates = bench.timer.rates(works)
    theirs = rates.pop("released", None)
    lines = []
    for how, rate in rates.items():
        detail = f"{milliseconds(rate.seconds)} a step of {units}, {precision}"
        if how == "compiled":
            detail += ", captured" if compiling.reason is None else ", not captured"
        lines.append(bench.measured(f"{name}/{how}", unit, rate, units, cost, precision, detail, theirs))
    return lines + unmeasured
