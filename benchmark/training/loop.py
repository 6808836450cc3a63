"""The one training loop. Encoders and policies differ in their losses, not in how they are trained.

Everything random in a step is a function of (seed, step), and a checkpoint holds the weights, the optimiser and the step, so an
interrupted run continues bit-exactly on a CPU. Between logged steps nothing waits for the device.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.core.errors import Diverged
from benchmark.core.progress import Task
from benchmark.core.seeds import seed as seed_of
from benchmark.storage.files import write_text
from benchmark.training.accelerator import EagerStep, Step, Trainable
from benchmark.training.captured import CapturedStep
from benchmark.training.lars import LARS

CURVE_POINTS = 200  # rows a learning curve has at most
CAPTURED = "auto"  # auto: steps are CUDA graphs where the device and the module allow it | never


@dataclass
class Trained:
    """What a finished run leaves besides the weights."""

    seconds: float
    curves: list[dict[str, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """One row per logged step."""
        columns = list(dict.fromkeys(name for row in self.curves for name in row))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.curves)


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
    validate: Callable[[list[dict[str, float]]], dict[str, float]] | None = None,
    captured: str = CAPTURED,
) -> Trained:
    """Train in place. `validate(curves so far)` is called at each checkpoint; what it returns joins the curves."""
    trainable: Trainable = module  # type: ignore[assignment]
    module.to(device).train()
    groups = trainable.groups()
    optimizer = make_optimizer(groups, config)
    checkpoint = _Checkpoint(checkpoints, module, optimizer)
    step, trained = checkpoint.load()
    eager = EagerStep(trainable, groups, optimizer, config.clip, device, precision)
    take_step: Step = eager
    if torch.device(device).type == "cuda":
        tensor_rates(optimizer, device)
        if captured == "auto":
            take_step = CapturedStep(eager)
    every = max(1, steps // CURVE_POINTS)
    start = time.monotonic() - trained.seconds
    while step < steps:
        rate = set_learning_rates(optimizer, groups, config, step, steps)
        step_seed = seed_of("step", seed, step)
        torch.manual_seed(step_seed)
        values = take_step(batch_at(step), step_seed)
        trainable.after_step(step, steps)
        if step % every == 0 or step == steps - 1:
            trained.curves.append(curve_point(step, steps, values, rate))
            task.update(step + 1, steps, f"loss {trained.curves[-1]['loss']:.4g}")
        step += 1
        if step % checkpoint_every == 0 or step == steps:
            if validate is not None:
                module.eval()
                trained.curves.append({"step": step, **validate(trained.curves)})
                module.train()
            trained.seconds = time.monotonic() - start
            checkpoint.save(step, trained)
    module.eval()
    return trained


def curve_point(step: int, steps: int, values: dict[str, Tensor], rate: float) -> dict[str, float]:
    """What a logged step leaves. It waits for the device, so it is also where a loss that is lost is noticed."""
    point = {name: float(value) for name, value in values.items()}
    if not all(math.isfinite(value) for name, value in point.items() if name == "loss" or name.startswith("grad_norm/")):
        raise Diverged(f"the loss is {point['loss']} at step {step} of {steps}; lower lr or set clip and run again")
    return {"step": step, **point, "lr": rate}


def make_optimizer(groups: list[ParameterGroup], config: TrainingConfig) -> torch.optim.Optimizer:
    """One optimiser over all groups. Vectors (biases, norms) are not decayed, as in BYOL, MAE and VQ-BeT; nor does LARS scale
    their steps by a trust ratio (BYOL, MoCo-v3, VICReg)."""
    param_groups = []
    for group in groups:
        for decay in (True, False):
            params = [p for p in group.params if (p.ndim > 1) == decay]
            if params:
                weight_decay = config.weight_decay if decay else 0.0
                param_groups.append({"params": params, "weight_decay": weight_decay, "trusted": decay, "group": group.name})
    cuda = any(p.is_cuda for group in groups for p in group.params)
    fused = True if cuda else None  # one kernel for all parameters instead of ten for each
    match config.optimizer:
        case "adamw":
            return torch.optim.AdamW(param_groups, lr=config.lr, betas=(config.betas[0], config.betas[1]), fused=fused)
        case "adam":
            return torch.optim.Adam(param_groups, lr=config.lr, betas=(config.betas[0], config.betas[1]), fused=fused)
        case "sgd":
            return torch.optim.SGD(param_groups, lr=config.lr, momentum=config.momentum, fused=fused)
        case "lars":
            return LARS(param_groups, lr=config.lr, momentum=config.momentum)
    raise AssertionError(config.optimizer)


def set_learning_rates(
    optimizer: torch.optim.Optimizer,
    groups: Iterable[ParameterGroup],
    config: TrainingConfig,
    step: int,
    steps: int,
) -> float:
    """Set the rates of a step; returns the one that curves show, of the first group."""
    by_name = {g.name: g for g in groups}
    factor = schedule(config.schedule, config.warmup, step, steps)
    rates = []
    for param_group in optimizer.param_groups:
        group = by_name[param_group["group"]]
        rates.append(config.lr * group.lr_scale * (factor if group.scheduled else 1.0))
        if isinstance(param_group["lr"], Tensor):
            param_group["lr"].fill_(rates[-1])
        else:
            param_group["lr"] = rates[-1]
    return rates[0]


def tensor_rates(optimizer: torch.optim.Optimizer, device: str) -> None:
    """Learning rates on the device, where a graph reads them; as numbers they would be those of the captured step for good."""
    for param_group in optimizer.param_groups:
        param_group["lr"] = torch.tensor(float(param_group["lr"]), device=device)


def schedule(kind: str, warmup: float, step: int, steps: int) -> float:
    """Linear warm-up that starts above zero, then constant or half a cosine down to zero."""
    warm = round(warmup * steps)
    if step < warm:
        return (step + 1) / warm
    if kind == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class _Checkpoint:
    """Weights and optimiser state as safetensors, the rest as JSON; the JSON is replaced last and names the step."""

    def __init__(self, folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer):
        self.folder, self.module, self.optimizer = folder, module, optimizer

    def save(self, step: int, trained: Trained) -> None:
        tensors = {f"module/{k}": v for k, v in self.module.state_dict().items()}
        plain: dict[str, Any] = {}
        for index, state in self.optimizer.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value
                else:
                    plain[f"{index}/{name}"] = value
        weights = f"step{step}.safetensors"
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, self.folder / weights)
        state = {"step": step, "weights": weights, "optimizer": plain, "curves": trained.curves, "seconds": trained.seconds}
        write_text(self.folder / "checkpoint.json", json.dumps(state))
        for old in self.folder.glob("step*.safetensors"):
            if old.name != weights:
                old.unlink()

    def load(self) -> tuple[int, Trained]:
        path = self.folder / "checkpoint.json"
        if not path.is_file():
            return 0, Trained(0.0)
        state = json.loads(path.read_text())
        tensors = load_file(self.folder / state["weights"])
        self.module.load_state_dict({k.removeprefix("module/"): v for k, v in tensors.items() if k.startswith("module/")})
        restored: dict[int, dict[str, Any]] = {}
        named = {k.removeprefix("optimizer/"): v for k, v in tensors.items() if k.startswith("optimizer/")}
        for key, value in {**named, **state["optimizer"]}.items():
            index, name = key.split("/", 1)
            restored.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({"state": restored, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return state["step"], Trained(state["seconds"], state["curves"])
