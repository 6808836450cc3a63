"""A DeepSpeed configuration (`machine.deepspeed=FILE`), as far as it says how one training is divided among processes.

What this training loop does of it is the stage of ZeRO and the pieces of a batch. What would change the recipe has a setting of
its own here, on which the results' keys depend, so the file may leave it "auto" and nothing else. How messages are sent is
DeepSpeed's own business. All else is refused by name.
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
HARMLESS = (  # what DeepSpeed prints, and what it has to be told before it takes another optimiser
    *("steps_per_print", "wall_clock_breakdown", "memory_breakdown", "dump_state"),
    *("zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer"),
)
MESSAGES = (  # of `zero_optimization`: in what portions and when numbers are sent, not which
    *("allgather_partitions", "allgather_bucket_size", "overlap_comm", "reduce_scatter", "reduce_bucket_size"),
    *("contiguous_gradients", "round_robin_gradients", "use_multi_rank_bucket_allreduce"),
)


def with_deepspeed(machine: MachineConfig) -> MachineConfig:
    """The settings with those of the file in place of defaults."""
    path = Path(machine.deepspeed or "")
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"machine.deepspeed={path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise BenchmarkError(f"machine.deepspeed={path} holds no settings by name")
    settings: dict[str, Any] = {}
    for key, value in content.items():
        if key == "zero_optimization":
            settings["zero"] = _stage(path, value)
        elif key == "gradient_accumulation_steps" and type(value) is int:
            settings["accumulate"] = value
        elif _changes_nothing(key, value):
            pass
        elif key in RECIPE:
            raise BenchmarkError(f'{path}: {key} is {RECIPE[key]} here, and "auto" there')
        else:
            raise BenchmarkError(f"{path}: {key} {json.dumps(value)} is nothing that this training loop does; leave it out")
    for name, value in settings.items():
        if getattr(machine, name) not in (value, getattr(MachineConfig, name)):
            raise BenchmarkError(f"machine.{name}={getattr(machine, name)}, but {path} wants {value}")
    if settings.get("zero") and machine.processes == 1:
        raise BenchmarkError(f"{path} divides a training among processes, and there is one: add machine.processes=2 or more")
    return replace(machine, **settings)


def _changes_nothing(key: str, value: Any) -> bool:
    if key in HARMLESS:
        return True
    if isinstance(value, dict):
        return key in RECIPE and (value.get("enabled") == "auto" or (key == "fp16" and value.get("enabled") is False))
    return value == "auto" and key in (*RECIPE, "gradient_accumulation_steps")


def _stage(path: Path, zero: Any) -> int:
    if not isinstance(zero, dict):
        raise BenchmarkError(f"{path}: zero_optimization holds no settings by name")
    for key, value in zero.items():
        if key in ("offload_optimizer", "offload_param"):
            if value is not None and value != {"device": "none"}:
                raise BenchmarkError(f"{path}: zero_optimization.{key}: nothing leaves the device here; leave it out")
        elif key not in ("stage", *MESSAGES):
            raise BenchmarkError(f"{path}: zero_optimization.{key} is nothing that this training loop does; leave it out")
    stage = zero.get("stage")
    if type(stage) is not int or stage not in (0, 1, 2):
        raise BenchmarkError(f"{path}: zero_optimization.stage={stage}: 0, 1 or 2; weights are whole in each process")
    return stage
