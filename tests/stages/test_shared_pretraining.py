"""A pretraining that several processes share: the same key and, up to rounding, the same numbers; its manifest says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.core.progress import Reporter
from benchmark.launch.base import execution_of
from benchmark.launch.execute import Executor, StageFailed
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan, Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.resources import Machine, Needs, Resources
from benchmark.stages.base import Execution
from benchmark.stages.params.pretrain import Summary
from benchmark.storage.artifacts import Store


def planned(*overrides: str, method: str = "byol") -> tuple[Plan, dict[str, Stage]]:
    settings = ["pretrain.steps=2", "pretrain.precision=fp32", f"method.{method}.batch_size=8", *overrides]
    plan = make_plan(Request([method], ["toy"], ["knn"], 1, "smoke", settings))
    return plan, {stage.kind: stage for stage in plan.stages.values()}


def pretrained(folder: Path, execution: Execution, method: str = "byol") -> tuple[Summary, str]:
    """What it says of itself, and the arithmetic."""
    _, stages = planned(method=method)
    store = Store(folder).prepare()
    for kind in ("demos", "pretrain"):
        Executor(store, Reporter(quiet=True), execution).execute(stages[kind])
    manifest = store.manifest("pretrain", stages["pretrain"].key)
    return manifest.summary_as(Summary), manifest.machine["arithmetic"]


def test_two_processes_make_the_artifact_of_one(toy: type, tmp_path: Path) -> None:
    one, by_one = pretrained(tmp_path / "one", Execution(workers=0, threads=1))
    two, by_two = pretrained(tmp_path / "two", Execution(workers=0, threads=1, processes=2, zero=2))
    assert two.final_loss == pytest.approx(one.final_loss, rel=1e-2)
    assert (two.frames_seen, two.gradient_steps, two.trainable_params) == (one.frames_seen, 2, one.trainable_params)
    assert by_two == f"{by_one}, 2 processes"


def test_a_manifest_says_in_how_many_pieces_a_batch_was_computed(toy: type, tmp_path: Path) -> None:
    whole, by_whole = pretrained(tmp_path / "whole", Execution(workers=0, threads=1), "mae")
    pieces, by_pieces = pretrained(tmp_path / "pieces", Execution(workers=0, threads=1, accumulate=2), "mae")
    assert pieces.final_loss == pytest.approx(whole.final_loss, rel=1e-3)
    assert by_pieces == f"{by_whole}, batches in 2 pieces"


def test_a_batch_that_cannot_be_divided_is_refused(toy: type, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"a batch of 8 windows cannot be divided by 3: .*machine\.accumulate=3"):
        pretrained(tmp_path, Execution(workers=0, threads=1, accumulate=3))


def test_processes_are_on_no_key_and_take_cores_memory_and_gpus(toy: type, store: Store) -> None:
    plan, stages = planned("machine.processes=4")
    assert stages["pretrain"].key == planned()[1]["pretrain"].key
    estimates = estimate(plan.stages, store)
    needs = {
        kind: Resources(plan, estimates, Machine(8, 64.0, gpus=8)).of(stages[kind]) for kind in ("pretrain", "fit", "embed")
    }
    memory = estimates[stages["pretrain"].key].memory / 1e9
    assert needs["pretrain"] == Needs(8, 4 * memory, 4.0, needs["pretrain"].minutes, processes=4)
    assert needs["fit"].processes == needs["embed"].processes == 1
    config = next(iter(plan.configs.values()))
    assert execution_of(config, needs["pretrain"]).threads == 2, "of each process"
    assert Resources(plan, estimates, Machine(2, 64.0)).of(stages["pretrain"]).cores == 2, "what the machine has"
