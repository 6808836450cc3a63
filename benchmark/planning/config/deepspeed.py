"""A DeepSpeed configuration (`machine.deepspeed=FILE`), as accelerate and transformers take it.

What this training loop does of it is the stage of ZeRO and the pieces of a batch. What would change the recipe has a setting of
its own here, on which the results' keys depend, so the file may leave it "auto" and nothing else. How messages are sent is
DeepSpeed's own business.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError
from benchmark.planning.config.schema import MachineConfig

RECIPE = {
    "optimizer": "method.NAME.optimizer, lr, weight_decay",
    "scheduler": "method.NAME.schedule and warmup",
    "gradient_clipping": "method.NAME.clip",
    "train_batch_size": "method.NAME.batch_size",
    "train_micro_batch_size_per_gpu": "method.NAME.batch_size with machine.processes and machine.accumulate",
    "bf16": "pretrain.precision",
    "fp16": "pretrain.precision",
}
PRINTS = (  # what DeepSpeed tells of itself, or asks of its user
    *("steps_per_print", "wall_clock_breakdown", "memory_breakdown", "dump_state", "flops_profiler"),
    *("zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer"),
)


def with_deepspeed(machine: MachineConfig) -> MachineConfig:
    """The settings with those of the file in their places."""
    path = Path(machine.deepspeed or "")
    try:
        asked = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"machine.deepspeed={path} cannot be read as JSON: {error}") from error
    if not isinstance(asked, dict):
        raise BenchmarkError(f"machine.deepspeed={path} holds no settings by name")
    set_here: dict[str, Any] = {}
    for key, value in asked.items():
        if key == "zero_optimization":
            set_here["zero"] = _stage(path, value)
        elif key in PRINTS or _left_open(value):
            pass
        elif key == "gradient_accumulation_steps" and isinstance(value, int):
            set_here["accumulate"] = value
        elif key in RECIPE:
            raise BenchmarkError(f'{path}: {key} is {RECIPE[key]} here, and "auto" there')
        else:
            raise BenchmarkError(f"{path}: {key} {json.dumps(value)} is nothing that this training loop does; leave it out")
    for name, value in set_here.items():
        if getattr(machine, name) not in (value, getattr(MachineConfig, name)):
            raise BenchmarkError(f"machine.{name}={getattr(machine, name)}, but {path} asks for {value}")
    return replace(machine, **set_here)


def _stage(path: Path, asked: Any) -> int:
    if not isinstance(asked, dict):
        raise BenchmarkError(f"{path}: zero_optimization holds no settings by name")
    for name in ("offload_optimizer", "offload_param"):
        if asked.get(name, {}).get("device", "none") != "none":
            raise BenchmarkError(f"{path}: zero_optimization.{name}: nothing is moved off the device here; leave it out")
    stage = asked.get("stage", 0)
    if stage not in (0, 1, 2):
        raise BenchmarkError(f"{path}: zero_optimization.stage={stage}: 0, 1 or 2; weights are whole in each process")
    return int(stage)


def _left_open(value: Any) -> bool:
    return value == "auto" or (isinstance(value, dict) and value.get("enabled") in (False, "auto"))
