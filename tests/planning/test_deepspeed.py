"""What of a DeepSpeed configuration is taken, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.planning.config.compose import compose_config
from benchmark.planning.config.schema import MachineConfig

USUAL: dict[str, Any] = {
    "zero_optimization": {
        "stage": 2,
        "allgather_partitions": True,
        "overlap_comm": True,
        "reduce_scatter": True,
        "reduce_bucket_size": 2e8,
        "contiguous_gradients": True,
        "offload_optimizer": {"device": "none"},
    },
    "bf16": {"enabled": "auto"},
    "fp16": {"enabled": False, "loss_scale": 0},
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "steps_per_print": 2000,
    "wall_clock_breakdown": False,
}


def machine(folder: Path, content: Any, *overrides: str) -> MachineConfig:
    path = folder / "zero2.json"
    path.write_text(json.dumps(content))
    return compose_config("toy", overrides=[f"machine.deepspeed={path}", "machine.processes=2", *overrides]).machine


def test_the_usual_configuration_of_the_second_stage_is_accepted(toy: type, tmp_path: Path) -> None:
    assert machine(tmp_path, USUAL).zero == 2
    assert machine(tmp_path, USUAL, "machine.zero=2").zero == 2
    divided = machine(tmp_path, {**USUAL, "gradient_accumulation_steps": 4})
    assert (divided.zero, divided.accumulate) == (2, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"zero_optimization": {"stage": 3}}, r"zero_optimization\.stage=3: 0, 1 or 2"),
        ({"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}, r"offload_optimizer.*leave it out"),
        ({"zero_optimization": {"stage": 2, "offload_param": "cpu"}}, r"offload_param: nothing leaves the device"),
        ({"zero_optimization": {"stage": 2, "cpu_offload": True}}, r"zero_optimization\.cpu_offload is nothing"),
        ({"zero_optimization": {"Stage": 2}}, r"zero_optimization\.Stage is nothing"),
        ({"zero_optimization": {"stage": True}}, r"zero_optimization\.stage=True: 0, 1 or 2"),
        ({"zero_optimization": {}}, r"zero_optimization\.stage=None: 0, 1 or 2"),
        ({"zero_optimization": 2}, r"zero_optimization holds no settings"),
        ({"gradient_accumulation_steps": True}, r"gradient_accumulation_steps true is nothing"),
        ({"anything": "auto"}, r'anything "auto" is nothing'),
        ({"bf16": {"enabled": False}}, r"bf16 is pretrain\.precision here"),
        ({"bf16": {"enabled": True}}, r'bf16 is pretrain\.precision here, and "auto" there'),
        ({"gradient_clipping": 1.0}, r"gradient_clipping is method\.NAME\.clip here"),
        ({"optimizer": {"type": "AdamW"}}, r"optimizer is method\.NAME\.optimizer"),
        ({"gradient_accumulation_steps": "two"}, r'gradient_accumulation_steps "two" is nothing'),
        ({"pipeline": {"stages": 4}}, r"pipeline .* is nothing that this training loop does"),
        ([2], r"holds no settings by name"),
    ],
)
def test_what_it_says_besides_is_refused_by_name(toy: type, tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        machine(tmp_path, content)


def test_a_file_and_a_setting_that_disagree_are_refused(toy: type, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"machine\.zero=1, but .*zero2\.json wants 2"):
        machine(tmp_path, USUAL, "machine.zero=1")


def test_a_file_that_is_not_there_or_no_json_is_named(toy: type, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"nothing\.json cannot be read as JSON"):
        compose_config("toy", overrides=[f"machine.deepspeed={tmp_path / 'nothing.json'}", "machine.processes=2"])
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BenchmarkError, match=r"broken\.json cannot be read as JSON"):
        compose_config("toy", overrides=[f"machine.deepspeed={tmp_path / 'broken.json'}", "machine.processes=2"])


def test_one_process_has_nothing_to_divide(toy: type, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"zero2\.json divides a training .* add machine\.processes=2"):
        machine(tmp_path, USUAL, "machine.processes=1")
