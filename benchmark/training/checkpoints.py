"""What an interrupted training goes on from."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from benchmark.core.collective import rank
from benchmark.core.errors import Corrupt
from benchmark.core.progress import notice
from benchmark.storage.files import seal, unseal, write_bytes
from benchmark.training.sharding import Shards, whole_state

KEPT = 2  # checkpoints: the last one, and the one before in case the last cannot be read
Tensors = dict[str, Tensor]


@dataclass
class Trained:
    """What a finished run leaves besides the weights."""

    seconds: float
    curves: list[dict[str, float]] = field(default_factory=list)
    best: Tensors = field(default_factory=dict)  # the weights at the lowest loss on held-out demonstrations

    def save(self, path: Path) -> None:
        """One row per logged step."""
        columns = list(dict.fromkeys(name for row in self.curves for name in row))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.curves)


class Checkpoint:
    """`step<N>.safetensors` holds weights, optimiser state and the best weights so far; `step<N>.json`, written after it, the
    rest and its checksum. One that cannot be read is set aside, and training goes back to the one before."""

    def __init__(self, folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, shards: Shards | None = None):
        self.folder, self.module, self.optimizer, self._shards = folder, module, optimizer, shards
        self._own = [p for group in optimizer.param_groups for p in group["params"]]
        self._params = shards.params if shards else self._own  # by their numbers in a checkpoint

    def save(self, step: int, trained: Trained) -> None:
        """Called in every process, written by the first."""
        state = {n: self.optimizer.state[p] for n, p in enumerate(self._params) if p in self.optimizer.state}
        if self._shards:
            state = whole_state(state)
        if rank() > 0:
            return
        tensors = {f"module/{k}": v for k, v in self.module.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in trained.best.items()}
        plain: dict[str, Any] = {}
        for index, values in state.items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{index}/{name}"] = value
                else:
                    plain[f"{index}/{name}"] = value
        data = save(on_cpu(tensors))
        write_bytes(self.folder / f"step{step}.safetensors", data)
        rest = {"optimizer": plain, "curves": trained.curves, "seconds": trained.seconds}
        text = json.dumps({**rest, "sha256": hashlib.sha256(data).hexdigest()})
        seal(self.folder / f"step{step}.json", text.encode())
        for old in self._steps()[KEPT:]:
            for suffix in ("json", "safetensors"):
                (self.folder / f"step{old}.{suffix}").unlink(missing_ok=True)

    def load(self) -> tuple[int, Trained]:
        """Put the last good one in place; its step, or 0 where there is none."""
        for step in self._steps():
            try:
                state, tensors = self._read(step)
            except Corrupt as error:
                notice(f"damaged checkpoint: {error}. Set aside; going back to the one before")
                for suffix in ("json", "safetensors"):
                    path = self.folder / f"step{step}.{suffix}"
                    if path.exists():
                        path.replace(path.with_suffix(f".{suffix}.damaged"))
                continue
            self.module.load_state_dict(_under("module/", tensors))
            self._restore_optimizer({**_under("optimizer/", tensors), **state["optimizer"]})
            return step, Trained(state["seconds"], state["curves"], _under("best/", tensors))
        return 0, Trained(0.0)

    def _steps(self) -> list[int]:
        """Of the checkpoints in the folder, the last one first."""
        names = (path.stem.removeprefix("step") for path in self.folder.glob("step*.json"))
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def _read(self, step: int) -> tuple[dict[str, Any], Tensors]:
        state = json.loads(unseal(self.folder / f"step{step}.json"))
        path = self.folder / f"step{step}.safetensors"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Corrupt(f"{path} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != state["sha256"]:
            raise Corrupt(f"{path} does not match its checksum")
        return state, load(data)

    def _restore_optimizer(self, values: dict[str, Any]) -> None:
        restored: dict[int, dict[str, Any]] = {}
        for key, value in values.items():
            number, name = key.split("/", 1)
            restored.setdefault(int(number), {})[name] = value
        numbers = {id(parameter): number for number, parameter in enumerate(self._params)}
        own = {index: restored[n] for index, p in enumerate(self._own) if (n := numbers[id(p)]) in restored}
        for index, moments in own.items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == self._own[index].shape:
                    # fused kernels want the parameter's own layout
                    moments[name] = torch.empty_like(self._own[index]).copy_(value)
        self.optimizer.load_state_dict({"state": own, "param_groups": self.optimizer.state_dict()["param_groups"]})


def on_cpu(tensors: Tensors) -> Tensors:
    """Copies as files hold them."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
