"""The seam between a plan and whatever runs it.

A launcher (drive.py) knows the plan: which stages are missing, in what order they tell most, what a failure takes down. An
engine knows processes and machines: it is given jobs, says how each of them ended, and meanwhile tells an observer (events.py)
what happens. What a stage is, is none of its business: `Executor.execute` runs one, in any process, given its description in
the store (`publish`) and its key (`python -m benchmark worker KEY`). Results go through the store and nothing else does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar, Protocol

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json, to_json
from benchmark.planning.config.schema import Config
from benchmark.planning.estimates import PARAMS
from benchmark.planning.graph import Stage
from benchmark.planning.keys import code_behind, stage_key
from benchmark.planning.resources import Needs
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import Store
from benchmark.storage.files import read_bytes, write_text
from benchmark.storage.manifests import Ref

FINAL = ("probe", "rollout")  # the stages whose results a table shows


@dataclass(frozen=True)
class Job:
    """A stage that an engine is to run. It is described in the store; `after`: the keys of jobs that make what it builds on."""

    stage: Stage
    needs: Needs
    after: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.stage.key


class End(Enum):
    """How a job ended. Only what has nothing to do with the stage itself is worth another try."""

    DONE = auto()  # its artifact is in the store
    FAILED = auto()  # the stage raised: it would again
    LOST = auto()  # its process or its node is gone
    MEMORY = auto()  # there was not enough for it beside the others
    GPU_MEMORY = auto()  # the same of a GPU
    TAKEN = auto()  # another run is building it
    STOPPED = auto()  # somebody cancelled it


@dataclass(frozen=True)
class Ending:
    key: str
    end: End
    reason: str = ""


class Engine(Protocol):
    """Runs jobs. One that `holds_dependencies` takes all of them at once and keeps the order by itself; others are given what
    is ready, as long as it fits."""

    holds_dependencies: ClassVar[bool]

    def ready(self) -> None:
        """Raise what keeps it from taking any job here."""

    def fits(self, needs: Needs) -> bool:
        """Whether one more job would start at once. True if nothing runs."""

    def submit(self, jobs: Sequence[Job]) -> None: ...

    def wait(self, timeout: float) -> list[Ending]:
        """What has ended, after `timeout` seconds at most; the observer is told of what happens meanwhile."""

    def cancel(self) -> None:
        """End everything that was submitted; checkpoints stay."""

    def close(self) -> None:
        """Let go. What runs in processes of this one ends with it, what a cluster has goes on."""


def execution_of(config: Config, needs: Needs | None = None, pieces: int | None = None) -> Execution:
    """What a configuration says of how stages are executed, with the cores that one of them gets, and the pieces of its batches
    if they have to be other ones."""
    cores = needs.cores if needs else None
    processes = needs.processes if needs else 1
    return Execution(
        workers=cores if config.machine.workers is None else config.machine.workers,
        threads=config.machine.threads or (max(1, cores // processes) if cores else None),
        processes=processes,
        accumulate=pieces or config.machine.accumulate,
        zero=config.machine.zero,
        timeout=config.rollout.timeout,
        checkpoint_every=config.pretrain.checkpoint_every,
        tracker=config.tracker,
    )


@dataclass(frozen=True)
class Described:
    """A stage as it lies in the store."""

    kind: str
    key: str
    label: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]
    components: tuple[str, ...]
    resources: Mapping[str, Any]
    execution: Execution


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
        stage = from_json(Described, json.loads(read_bytes(path)))
    except (OSError, ValueError, RecursionError, BenchmarkError) as error:
        raise BenchmarkError(f"{path} cannot be read ({error}): `python -m benchmark run ...` plans it again") from error
    kind, inputs = stage.kind, {name: Ref.parse(ref) for name, ref in stage.inputs.items()}
    code = code_behind(f"benchmark.stages.{kind}", *stage.components)
    if stage_key(kind, stage.params, stage.inputs, code) != key:
        raise BenchmarkError(f"{kind} {key} was planned with other code or other versions of its libraries: plan it again here")
    return Stage(kind, key, stage.label, from_json(PARAMS[kind], stage.params), inputs, code, stage.components), stage.execution
