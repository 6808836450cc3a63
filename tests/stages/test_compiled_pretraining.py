"""Losses traced by torch.compile: the same training, on a key of its own, and nothing of it in the artifact.

Without the compiler, which takes a minute and draws other dropout: tests/training/test_gpu.py runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmark.core.progress import Reporter
from benchmark.launch.execute import Executor
from benchmark.planning.graph import Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.stages.base import Execution
from benchmark.stages.params.pretrain import ENCODER
from benchmark.storage.artifacts import Store


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is compiled, without a compiler behind it, which takes a minute."""
    seen: list[Any] = []
    compile_ = torch.compile

    def traced(called: Any) -> Any:
        seen.append(called.__self__)
        return compile_(called, backend="eager")

    monkeypatch.setattr(torch, "compile", traced)
    return seen


def stages_of(method: str, *overrides: str) -> dict[str, Stage]:
    settings = ["pretrain.steps=3", "pretrain.precision=fp32", f"method.{method}.batch_size=4", *overrides]
    plan = make_plan(Request([method], ["toy"], ["knn"], 1, "smoke", settings))
    return {stage.kind: stage for stage in plan.stages.values()}


def trained(folder: Path, stages: dict[str, Stage]) -> tuple[dict[str, torch.Tensor], str]:
    store = Store(folder).prepare()
    for kind in ("demos", "pretrain"):
        Executor(store, Reporter(quiet=True), Execution(workers=0, threads=1)).execute(stages[kind])
    manifest = store.manifest("pretrain", stages["pretrain"].key)
    return load_file(store.folder("pretrain", stages["pretrain"].key) / ENCODER), manifest.machine["arithmetic"]


@pytest.mark.parametrize(("method", "cls"), [("dynamo", "DynaMo"), ("byol", "BYOL"), ("mae", "MAE")])
def test_a_compiled_loss_learns_the_same(toy: type, tmp_path: Path, compiled: list[Any], method: str, cls: str) -> None:
    """Also where it draws from a generator of its own, which breaks it into several graphs."""
    plain, compiling = stages_of(method), stages_of(method, "pretrain.compile=true")
    assert plain["pretrain"].key != compiling["pretrain"].key
    assert plain["demos"].key == compiling["demos"].key
    ours, by_ours = trained(tmp_path / "plain", plain)
    assert compiled == []
    theirs, by_theirs = trained(tmp_path / "compiled", compiling)
    assert [type(module).__name__ for module in compiled] == [cls]
    assert by_theirs == f"{by_ours}, compiled"
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
