"""Stages as tasks of Ray, on two nodes of one machine, one of which dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.progress import Reporter
from benchmark.launch.base import End, Job, publish
from benchmark.launch.choose import make_launcher
from benchmark.launch.execute import Executor
from benchmark.launch.ray import RayEngine
from benchmark.planning.config.schema import RayConfig
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.resources import Needs
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import Store
from tests.launch.test_drive import Told
from tests.watching import seen

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'encoder-benchmark[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    root = str(Path(__file__).parents[2])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = root
    os.environ.setdefault("RAY_worker_niceness", "0")  # at Ray's 15 its workers wait for every other test of a busy machine
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=nodes.address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}})
    yield nodes
    ray.shutdown()
    nodes.shutdown()
    os.environ |= {"PYTHONPATH": before or ""}


@pytest.fixture
def plan(toy: type) -> Plan:
    return make_plan(Request(["random"], ["toy"], ["knn", "mlp"], 1, "smoke", ["machine.threads=1", "machine.cores=1"]))


def test_two_nodes_make_the_records_of_one_process(cluster: Any, plan: Plan, store: Store, tmp_path: Path) -> None:
    second = cluster.add_node(num_cpus=1)
    assert ray.cluster_resources()["CPU"] == 2
    told: Any = Told()
    for name, home in (("ray", store), ("local", Store(tmp_path / "here").prepare())):
        estimates = estimate(plan.stages, home)
        executor = Executor(home, Reporter(quiet=True), observer=told)
        assert not make_launcher(name, plan, estimates, executor, fail_fast=False).run(plan, estimates).failed
    for path in (tmp_path / "here").glob("rollout/*/records.jsonl"):
        assert (store.root / "rollout" / path.parent.name / path.name).read_bytes() == path.read_bytes()
    assert not list(store.root.glob("running/*"))
    assert not list(store.root.glob("building/*"))
    cluster.remove_node(second)


def test_a_task_whose_node_dies_goes_on_elsewhere(cluster: Any, toy: type, store: Store) -> None:
    plan = make_plan(Request(["byol"], ["toy"], ["knn"], 1, "smoke", ["pretrain.steps=60"]))
    stages = {stage.kind: stage for stage in plan.stages.values()}
    Executor(store, Reporter(quiet=True), Execution(workers=1)).execute(stages["demos"])
    publish(store, stages["pretrain"], Execution(threads=1, checkpoint_every=5))
    doomed = cluster.add_node(num_cpus=2)
    told: Any = Told()
    engine = RayEngine(RayConfig(), 2, store, told, Reporter(quiet=True))
    engine.submit([Job(stages["pretrain"], Needs(cores=2))])  # the head has one core: it runs on the other node
    while not seen(store.root, "building/**/step*.json"):
        assert engine.wait(0.1) == []
    cluster.remove_node(doomed, allow_graceful=False)
    cluster.add_node(num_cpus=2)
    endings = []
    while not endings:
        endings = engine.wait(1.0)
        time.sleep(0.05)
    assert [ending.end for ending in endings] == [End.DONE]
    assert store.has("pretrain", stages["pretrain"].key)


def test_a_stage_that_raises_is_not_run_again(cluster: Any, plan: Plan, store: Store) -> None:
    stage = next(stage for stage in plan.stages.values() if stage.kind == "demos")
    told: Any = Told()
    engine = RayEngine(RayConfig(), 2, store, told, Reporter(quiet=True))
    engine.submit([Job(stage, Needs())])  # nobody described it
    endings = []
    while not endings:
        endings = engine.wait(1.0)
    assert [(ending.end, "no stage" in ending.reason) for ending in endings] == [(End.FAILED, True)]
