"""What every stage gets, and what it is: a module with `Params`, `Summary`, and `run(context) -> Summary`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmark.core.machine import arithmetic, resolve_device, resolve_precision
from benchmark.core.progress import Task
from benchmark.storage.artifacts import Store
from benchmark.storage.manifests import Manifest, Ref

P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Artifact:
    """A verified artifact that a stage builds on."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, store: Store, ref: Ref) -> Artifact:
        return cls(store.open(ref.kind, ref.key), store.manifest(ref.kind, ref.key))

    def params(self, cls: type[T]) -> T:
        return self.manifest.params_as(cls)

    def summary(self, cls: type[T]) -> T:
        return self.manifest.summary_as(cls)


@dataclass(frozen=True)
class Execution:
    """How the machine that executes a stage goes about it. Nothing here is on a key, because nothing here changes
    a number but for the order of sums, which a manifest records."""

    workers: int | None = None  # simulator processes; None: one per core
    threads: int | None = None  # of torch; None: as the process has them
    processes: int = 1  # that compute a part of each batch of a pretraining
    accumulate: int = 1  # pieces of a batch that are computed one after another
    zero: int = 0  # what these processes divide among them: 1 the optimiser's state, 2 gradients as well
    timeout: float = 120.0  # seconds without an answer after which a simulator is given up
    checkpoint_every: int = 200  # steps between checkpoints that an interrupted pretraining or tokenizer resumes from
    tracker: str = "none"  # who else is told of learning curves while they grow: none | tensorboard | wandb | trackio


@dataclass
class Context(Generic[P]):
    """`out` becomes the artifact. `work` survives an interruption: checkpoints go there."""

    params: P
    inputs: Mapping[str, Artifact]  # by the names that the stage gives them
    out: Path
    work: Path
    task: Task
    execution: Execution = field(default_factory=Execution)
    facts: dict[str, Any] = field(default_factory=dict)  # what was resolved here, for the manifest

    def device(self, name: str) -> str:
        """The device that a request (auto | cpu | cuda) means on this machine."""
        self.facts["device"] = resolve_device(name)
        self.facts["arithmetic"] = arithmetic(self.facts["device"])
        return self.facts["device"]

    def precision(self, name: str, device: str) -> str:
        """The precision that a request (auto | fp32 | bf16) means on this device."""
        self.facts["precision"] = resolve_precision(name, device)
        return self.facts["precision"]
