"""`NAME:untrained`: the encoder as the row's own pretraining finds it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark import registry
from benchmark.core.progress import Reporter
from benchmark.data.episodes import open_demos
from benchmark.launch.execute import Executor
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.results.gather import collect
from benchmark.stages.base import Execution
from benchmark.stages.params.pretrain import ENCODER, Params
from benchmark.stages.pretrain import build
from benchmark.storage.artifacts import Store

STEPS = "pretrain.steps=2"


@pytest.mark.parametrize("method", ["moco_v3", "byol"])
def test_it_is_the_start_of_the_row_and_of_no_other_seed(toy: type, tmp_path: Path, method: str) -> None:
    rows = [method, f"{method}:untrained"]
    plan, store = (
        make_plan(Request(rows, ["toy"], ["knn"], 2, "smoke", [STEPS, f"method.{method}.batch_size=4"])),
        Store(tmp_path).prepare(),
    )
    found = {}
    for stage in plan.stages.values():
        if stage.kind in ("demos", "pretrain"):
            Executor(store, Reporter(quiet=True), Execution(workers=0, threads=1)).execute(stage)
    for cell in plan.cells:
        found[cell.id.variant, cell.id.seed] = load_file(store.folder("pretrain", cell.stages["pretrain"]) / ENCODER)
    demos = open_demos(store.folder("demos", plan.cells[0].stages["demos"]))
    for seed in (0, 1):
        [cell] = [cell for cell in plan.cells if (cell.id.variant, cell.id.seed) == ("untrained", seed)]
        manifest = store.manifest("pretrain", cell.stages["pretrain"])
        start = build(registry.methods().get(method), manifest.params_as(Params), demos).encoder.state_dict()
        assert all(torch.equal(found["untrained", seed][name], tensor) for name, tensor in start.items())
        assert not all(torch.equal(found["", seed][name], tensor) for name, tensor in start.items()), "the row learns"
    one, two = (found["untrained", seed] for seed in (0, 1))
    assert not torch.equal(one["trunk.conv1.weight"], two["trunk.conv1.weight"])
    _, cells = collect(plan, store)
    assert dict(zip(cells.variant, cells.untrained, strict=True)) == {"": False, "untrained": True}


def test_its_policy_may_go_on_from_there(toy: type) -> None:
    plan = make_plan(Request(["byol:untrained+finetuned", "byol:untrained"], ["toy"], ["mlp"], 1, "smoke", [STEPS]))
    finetuned, frozen = plan.cells
    assert finetuned.stages["pretrain"] == frozen.stages["pretrain"]
    assert plan.stages[finetuned.stages["fit"]].params.joint is not None
