"""The main rates for pytest-benchmark, which keeps and compares its own records. Nothing is asserted of a time.

pytest tests/bench/test_speed.py --benchmark-only
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.bench.heads import build
from benchmark.bench.noise import noise
from benchmark.contracts.method import BatchSpec
from benchmark.contracts.presets import component_config
from benchmark.data.windows import WindowSampler
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store
from benchmark.training.accelerator import EagerStep
from benchmark.training.optimizers import make_optimizer
from tests.bench.sizes import TOY, toy_bench

pytest.importorskip("pytest_benchmark")


@pytest.fixture(autouse=True)
def only_where_it_is_wanted(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("benchmark_only"):
        pytest.skip("measures: pytest tests/bench/test_speed.py --benchmark-only")


def pretraining_step(folder: Path) -> Callable[[], Any]:
    cls: Any = registry.methods().get("dynamo")
    config, demos = component_config(cls, "quick", "pusht"), noise(64, TOY.episodes, "pusht")
    sampler = WindowSampler(demos, np.arange(len(demos)), cls.batch_spec(config), 8, 0)
    return _step(cls(config, demos.spec), sampler.batch_at(0))


def policy_step(folder: Path) -> Callable[[], Any]:
    head, sampler = build(registry.policies().get("vqbet"), toy_bench(folder))
    return _step(head, sampler.batch_at(0))


def _step(module: Any, batch: Any) -> Callable[[], Any]:
    optimizer = make_optimizer(module.groups(), module.config)
    take = EagerStep(module, module.groups(), optimizer, module.config.clip, "cpu", "fp32")
    return lambda: take(batch, 0)


def windows(folder: Path) -> Callable[[], Any]:
    demos = noise(64, TOY.episodes, "pusht")
    sampler = WindowSampler(demos, np.arange(len(demos)), BatchSpec(window=5), 64, 0)
    return lambda: sampler.batch_at(0)


def opening(folder: Path) -> Callable[[], Any]:
    store = Store(folder).prepare()
    with store.building("embed", "a") as building:
        (building.out / "features.npy").write_bytes(bytes(1 << 20))
        store.commit("embed", "a", building, {})
    return lambda: Store(folder).open("embed", "a")


def plan(folder: Path) -> Callable[[], Any]:
    return lambda: make_plan(Request(methods=("random", "state"), preset="smoke"))


@pytest.mark.parametrize("prepare", [pretraining_step, policy_step, windows, opening, plan], ids=lambda f: f.__name__)
def test_speed(benchmark: Any, prepare: Callable[[Path], Callable[[], Any]], tmp_path: Path) -> None:
    benchmark(prepare(tmp_path))
