#!/usr/bin/env python3
"""Is the memory that `plan` asks for what stages take? Executes each stage of a matrix in a process of its own and compares.

    python scripts/compare_memory.py --methods byol,mae --envs open_drawer --policies vqbet --home /tmp/memory pretrain.steps=20

Takes what `plan` takes, and needs a store without these stages. Prints each stage's estimated and measured peak in MB and their
ratio: how many steps a stage trains does not matter, the size of its data and networks does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark.cli.main import parse  # noqa: E402
from benchmark.cli.selection import request  # noqa: E402
from benchmark.launch.base import execution_of, publish  # noqa: E402
from benchmark.planning.estimates import estimate  # noqa: E402
from benchmark.planning.recipes import make_plan  # noqa: E402
from benchmark.storage.artifacts import Store  # noqa: E402

MB = 1e6


def main(arguments: Sequence[str]) -> None:
    options = parse(["plan", *arguments])
    plan, store = make_plan(request(options)), Store(options.home).prepare()
    execution = execution_of(next(iter(plan.configs.values())))
    order = TopologicalSorter({key: [ref.key for ref in stage.inputs.values()] for key, stage in plan.stages.items()})
    for stage in (plan.stages[key] for key in order.static_order()):
        if store.has(stage.kind, stage.key):
            continue
        estimated = estimate(plan.stages, store)[stage.key].memory
        publish(store, stage, execution)
        worker = [sys.executable, "-m", "benchmark", "worker", stage.key, "--home", store.root, "--quiet"]
        subprocess.run(worker, check=True, stdout=subprocess.DEVNULL)  # it says where the artifact lies
        memory = store.manifest(stage.kind, stage.key).machine["memory"]
        ratio = estimated / memory["peak"]
        print(f"{stage.label:60} {estimated / MB:8.0f} {memory['peak'] / MB:8.0f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
