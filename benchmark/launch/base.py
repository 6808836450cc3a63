"""The seam between a plan and whatever runs it.

A launcher gets a graph of stages and what each may cost, brings every cell to its last stages, tells an observer what happens
(events.py), and says which cells it could not complete. What a stage is, is none of its business: `Executor.execute` runs one,
in any process, given its description in the store (`publish`) and its key (`python -m benchmark worker KEY`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json, to_json
from benchmark.planning.config.schema import Config
from benchmark.planning.estimates import PARAMS, Estimate
from benchmark.planning.graph import Plan, RunCell, Stage
from benchmark.planning.keys import code_behind, stage_key
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import Store
from benchmark.storage.files import write_text
from benchmark.storage.manifests import Ref

FINAL = ("probe", "rollout")  # the stages whose results a table shows


def execution_of(config: Config) -> Execution:
    """What a configuration says of how stages are executed."""
    return Execution(config.machine.workers, config.rollout.timeout, config.pretrain.checkpoint_every, config.tracker)


class Launcher(Protocol):
    def run(self, plan: Plan, estimates: Mapping[str, Estimate]) -> list[RunCell]:
        """Complete every cell that can run; returns those that failed. `estimates` are of the stages that are still to do."""


def publish(store: Store, stage: Stage, execution: Execution) -> None:
    """Describe a stage in the store, so that any process that sees the store can execute it by its key."""
    text = json.dumps({**stage.to_json(), "execution": to_json(execution)}, indent=1)
    write_text(store.root / "stages" / f"{stage.key}.json", text)


def published(store: Store, key: str) -> tuple[Stage, Execution]:
    """The stage of a key, as it was planned. Refused if the code or the libraries of this process would compute another one."""
    path = store.root / "stages" / f"{key}.json"
    if not path.is_file():
        raise BenchmarkError(f"no stage {key} was planned in {store.root}: `python -m benchmark run ...` plans it")
    try:
        text: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} cannot be read ({error}): `python -m benchmark run ...` plans it again") from error
    kind, inputs = text["kind"], {name: Ref.parse(ref) for name, ref in text["inputs"].items()}
    code = code_behind(f"benchmark.stages.{kind}", *text["components"])
    if stage_key(kind, text["params"], text["inputs"], code) != key:
        raise BenchmarkError(f"{kind} {key} was planned with other code or other versions of its libraries: plan it again here")
    stage = Stage(kind, key, text["label"], from_json(PARAMS[kind], text["params"]), inputs, code, tuple(text["components"]))
    return stage, from_json(Execution, text["execution"])
