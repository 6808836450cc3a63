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
from benchmark.stages.load.agent import file_of
from benchmark.stages.params.fit import LAST
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


def stages_of(method: str, policy: str, *overrides: str) -> dict[str, Stage]:
    settings = ["pretrain.steps=3", "pretrain.precision=fp32", f"method.{method}.batch_size=4", "fit.steps=3", *overrides]
    plan = make_plan(Request([method], ["toy"], [policy], 1, "smoke", settings))
    return {stage.kind: stage for stage in plan.stages.values()}


def trained(folder: Path, stages: dict[str, Stage], kind: str, file: str) -> tuple[dict[str, torch.Tensor], str]:
    """What a stage leaves, after those that it needs; and the arithmetic that it says it was made with."""
    store, executor = Store(folder).prepare(), Executor(Store(folder), Reporter(quiet=True), Execution(workers=0, threads=1))
    keys = {stage.key: stage for stage in stages.values()}

    def execute(stage: Stage) -> None:
        for ref in stage.inputs.values():
            execute(keys[ref.key])
        executor.execute(stage)

    execute(stages[kind])
    manifest = store.manifest(kind, stages[kind].key)
    return load_file(store.folder(kind, stages[kind].key) / file), manifest.machine["arithmetic"]


def compare(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(("method", "cls"), [("dynamo", "DynaMo"), ("byol", "BYOL"), ("mae", "MAE")])
def test_a_compiled_loss_learns_the_same(toy: type, tmp_path: Path, compiled: list[Any], method: str, cls: str) -> None:
    """Also where it draws from a generator of its own, which breaks it into several graphs."""
    plain, compiling = stages_of(method, "knn"), stages_of(method, "knn", "pretrain.compile=true")
    assert plain["pretrain"].key != compiling["pretrain"].key
    assert plain["demos"].key == compiling["demos"].key
    ours, by_ours = trained(tmp_path / "plain", plain, "pretrain", ENCODER)
    assert compiled == []
    theirs, by_theirs = trained(tmp_path / "compiled", compiling, "pretrain", ENCODER)
    assert [type(module).__name__ for module in compiled] == [cls]
    assert by_theirs == f"{by_ours}, compiled"
    compare(ours, theirs)


@pytest.mark.parametrize(("policy", "cls"), [("vqbet", "VQBeT"), ("diffusion", "Diffusion"), ("rt1", "RT1")])
def test_a_policy_with_a_compiled_loss_learns_the_same(
    toy: type, tmp_path: Path, compiled: list[Any], policy: str, cls: str
) -> None:
    plain, compiling = stages_of("random", policy), stages_of("random", policy, "fit.compile=true")
    assert [kind for kind in plain if plain[kind].key != compiling[kind].key] == ["fit", "rollout"]
    ours, by_ours = trained(tmp_path / "plain", plain, "fit", file_of(LAST))
    assert compiled == []
    theirs, by_theirs = trained(tmp_path / "compiled", compiling, "fit", file_of(LAST))
    assert [type(module).__name__ for module in compiled] == [cls]
    assert by_theirs == f"{by_ours}, compiled"
    compare(ours, theirs)


def test_a_policy_trained_in_bf16_is_another_near_that_of_float32(toy: type, tmp_path: Path) -> None:
    """And acts in float32 all the same: its weights are such numbers."""
    plain, rounded = stages_of("random", "vqbet"), stages_of("random", "vqbet", "fit.precision=bf16")
    assert [kind for kind in plain if plain[kind].key != rounded[kind].key] == ["fit", "rollout"]
    ours, _ = trained(tmp_path, plain, "fit", file_of(LAST))
    theirs, _ = trained(tmp_path, rounded, "fit", file_of(LAST))
    assert {tensor.dtype for tensor in theirs.values()} == {tensor.dtype for tensor in ours.values()}
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)
    for name in ours:
        torch.testing.assert_close(theirs[name], ours[name], rtol=0.02, atol=0.01, msg=name)


@pytest.mark.parametrize("setting", ["fit.compile=true", "fit.precision=bf16"])
def test_how_policies_are_trained_is_nothing_to_one_that_does_not_learn(toy: type, setting: str) -> None:
    plain, other = stages_of("random", "knn"), stages_of("random", "knn", setting)
    assert {kind: stage.key for kind, stage in plain.items()} == {kind: stage.key for kind, stage in other.items()}
