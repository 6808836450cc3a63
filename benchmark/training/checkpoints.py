"""What an interrupted training goes on from."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmark.storage.files import write_text


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


class Checkpoint:
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
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        for index, moments in restored.items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == params[index].shape:
                    moments[name] = torch.empty_like(params[index]).copy_(
                        value
                    )  # fused kernels want the parameter's own layout
        self.optimizer.load_state_dict({"state": restored, "param_groups": self.optimizer.state_dict()["param_groups"]})
        return state["step"], Trained(state["seconds"], state["curves"])
