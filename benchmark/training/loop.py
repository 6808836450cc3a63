"""The one training loop. Encoders and policies differ in their losses, not in how they are trained.

Everything random in a step is a function of (seed, step), and a checkpoint holds the weights, the optimiser and the step, so an
interrupted run continues bit-exactly on a CPU. Between logged steps and checkpoints the loop never waits
for the device. Of several processes (training/distributed.py) each runs this loop; the first writes the checkpoints.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.contracts.training import TrainingConfig
from benchmark.core.collective import average_, first_goes_first, processes, rank
from benchmark.core.errors import Diverged
from benchmark.core.progress import Task
from benchmark.core.seeds import seed as seed_of
from benchmark.models.batch_norm import require_no_batch_norm, share_batch_norms
from benchmark.training.accelerator import EagerStep, Step, Trainable
from benchmark.training.captured import CapturedStep
from benchmark.training.checkpoints import Checkpoint, Trained, on_cpu
from benchmark.training.optimizers import make_optimizer, make_shards, set_learning_rates, tensor_rates

CURVE_POINTS = 200  # rows a learning curve has at most
WRITING = 0.02  # of the time of a training on a GPU goes into checkpoints: 200 steps of DynaMo take it two seconds there
LONGEST = 300.0  # seconds that it goes on without one, however long the last one took


def train(
    module: nn.Module,
    batch_at: Callable[[int], Any],
    config: TrainingConfig,
    *,
    steps: int,
    seed: int,
    device: str,
    precision: str,
    checkpoints: Path,
    checkpoint_every: int,
    task: Task,
    validate: Callable[[], dict[str, float]] | None = None,
    keep: nn.Module | None = None,
    capture: bool = True,
    pieces: int = 1,
    zero: int = 0,
    compiled: bool = False,
) -> Trained:
    """Train in place, on CUDA by captured steps where the module allows it.

    `pieces`: one after another, that a batch is computed in, where no window is compared with others. `zero`: what the
    processes divide among them besides: 1 the optimiser's state, 2 gradients as well. `compiled`: the loss, by torch.compile.

    `validate()` is called every `checkpoint_every` steps; what it returns joins the curves. `Trained.best` becomes the weights
    of `keep` where `validation_loss` is lowest. A checkpoint is written then, too, unless steps are too fast for that (`Pace`).
    """
    trainable: Trainable = module  # type: ignore[assignment]
    module.to(device).train()
    if processes() > 1:
        share_batch_norms(module)
    if pieces > 1:
        require_no_batch_norm(module)
    groups = trainable.groups()
    shards = make_shards(groups, zero == 2) if zero and processes() > 1 else None
    optimizer = make_optimizer(groups, config, shards)
    checkpoint = Checkpoint(checkpoints, module, optimizer, shards)
    with first_goes_first():  # it sets damaged ones aside
        step, trained = checkpoint.load()
    task.resume(trained.seconds)
    eager = EagerStep(trainable, groups, optimizer, config.clip, device, precision, pieces, shards, compiled)
    take_step: Step = eager
    if torch.device(device).type == "cuda":
        tensor_rates(optimizer, device)
        if capture and processes() == pieces == 1:
            take_step = CapturedStep(eager)
    every = max(1, steps // CURVE_POINTS)
    pace = Pace(device, WRITING if spares_checkpoints(device) else math.inf)
    start = time.monotonic() - trained.seconds
    while step < steps:
        rate = set_learning_rates(optimizer, groups, config, step, steps)
        torch.manual_seed(seed_of("dropout", seed, step, rank()))  # of each process's own part
        values = take_step(batch_at(step), seed_of("step", seed, step))
        trainable.after_step(step, steps)
        if step % every == 0 or step == steps - 1:
            values = of_all_processes(values)
            trained.curves.append(curve_point(step, steps, values, rate))
            task.log(trained.curves[-1])
            task.update(step + 1, steps, f"loss {trained.curves[-1]['loss']:.4g}")
        step += 1
        if step == steps:
            require_finite(module, steps)
        if step % checkpoint_every == 0 or step == steps:
            if validate is not None:
                module.eval()
                point = validate()
                module.train()
                if keep is not None and is_lowest(point["validation_loss"], trained.curves):
                    trained.best = on_cpu(keep.state_dict())
                trained.curves.append({"step": step, **point})
                task.log(trained.curves[-1])
            trained.seconds = time.monotonic() - start
            if step == steps or pace.due():
                with pace:
                    checkpoint.save(step, trained)
    module.eval()
    return trained


def spares_checkpoints(device: str) -> bool:
    """On a GPU; several processes save together, and would have to agree when."""
    return torch.device(device).type == "cuda" and processes() == 1


class Pace:
    """Lets a checkpoint be written when that keeps writing near a share of the time; the first always is."""

    def __init__(self, device: str, share: float):
        self._device, self._share, self._wait, self._ended = device, share, 0.0, 0.0

    def due(self) -> bool:
        return time.monotonic() - self._ended >= self._wait

    def __enter__(self) -> None:
        if torch.device(self._device).type == "cuda":
            torch.cuda.synchronize()  # steps that are on their way are not writing
        self._began = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._ended = time.monotonic()
        self._wait = min((self._ended - self._began) / self._share, LONGEST)


def of_all_processes(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is logged, over the processes: each saw its own part of the batch."""
    if processes() == 1:
        return values
    means = {name: value.clone() for name, value in values.items()}
    average_(list(means.values()))
    return means


def is_lowest(loss: float, curves: list[dict[str, float]]) -> bool:
    """Whether no checkpoint so far has had a lower one; the first always counts, whatever it is."""
    before = [row["validation_loss"] for row in curves if "validation_loss" in row]
    return not before or loss < min(filter(math.isfinite, before), default=math.inf)


def require_finite(module: nn.Module, steps: int) -> None:
    """A loss says nothing of the step that is taken after it; no loss follows the last one."""
    lost = [name for name, parameter in module.named_parameters() if not parameter.isfinite().all()]
    if lost:
        raise Diverged(f"{lost[0]} is NaN or infinite after the last of {steps} steps; lower lr or set clip and run again")


def curve_point(step: int, steps: int, values: dict[str, Tensor], rate: float) -> dict[str, float]:
    """What a logged step leaves. It waits for the device, so it is also where a loss that is lost is noticed."""
    point = {name: float(value) for name, value in values.items()}
    if not all(math.isfinite(value) for name, value in point.items() if name == "loss" or name.startswith("grad_norm/")):
        raise Diverged(f"the loss is {point['loss']} at step {step} of {steps}; lower lr or set clip and run again")
    return {"step": step, **point, "lr": rate}
