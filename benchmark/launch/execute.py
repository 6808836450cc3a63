"""Executes one stage: opens what it builds on, runs it under its claim, and publishes what it leaves. Any process can."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmark.core.errors import BenchmarkError, Corrupt, Lost, Memory, Unavailable, Unreadable, lack_of_memory
from benchmark.core.machine import set_threads
from benchmark.core.memory import MemoryWatch
from benchmark.core.progress import Reporter
from benchmark.core.provenance import component_provenance, provenance
from benchmark.core.signals import pending
from benchmark.core.typed import to_json
from benchmark.launch.availability import unavailable_reason
from benchmark.launch.events import Observer, ReporterObserver, StageTask
from benchmark.launch.failures import forget_log, worker_command, write_log
from benchmark.launch.trackers import tracked
from benchmark.planning.graph import Stage
from benchmark.stages import module_of
from benchmark.stages.base import Artifact, Context, Execution
from benchmark.storage.artifacts import StageFailure, Store, TakenOver
from benchmark.storage.manifests import Manifest, Ref


class StageFailed(Exception):
    """A stage could not be built; the reason, which this says, has been reported and stored."""


class OutOfMemory(StageFailed):
    """There was not enough memory at that moment: it may be tried again."""

    def __init__(self, reason: str, memory: Memory):
        super().__init__(reason)
        self.memory = memory


class Busy(Exception):
    """Another process is building a stage."""

    def __init__(self, stage: Stage):
        super().__init__(stage.label)
        self.stage = stage


@dataclass
class Executor:
    store: Store
    reporter: Reporter
    execution: Execution = field(default_factory=Execution)
    observer: Observer | None = None  # who is told of stages; by default the reporter shows them

    def __post_init__(self) -> None:
        self.events: Observer = self.observer or ReporterObserver(self.reporter)

    def stored(self, ref: Ref) -> Path | None:
        """The verified folder of an artifact, or None; a corrupt one is moved out of the way, one that only cannot be read
        now is an error."""
        if not os.path.lexists(self.store.folder(ref.kind, ref.key)):
            return None
        try:
            return self.store.open(ref.kind, ref.key)
        except Unreadable:
            raise
        except Corrupt as error:
            moved = self.store.quarantine(ref.kind, ref.key)
            self.reporter.warn(f"corrupt artifact: {error}. Moved to {moved}; building it again")
            return None

    def execute(self, stage: Stage, *, patient: bool = True) -> Path:
        """The folder of a stage's artifact, built if it is not there; what it builds on has to be. Where another process is
        building it, wait, or raise Busy if not `patient`."""

        def taken() -> None:
            if not patient:
                raise Busy(stage)
            self.reporter.say(f"{stage.label}: {self.store.claims.holder(stage.kind, stage.key)}; waiting")

        for last in (False, True):
            try:
                with self.store.claims.hold(stage.kind, stage.key, taken):
                    if (folder := self.stored(stage.ref)) is not None:
                        return folder
                    self._try(stage)
                    break
            except TakenOver as error:
                if last:  # once may happen; a folder that goes away every time was taken by nobody
                    raise StageFailed(self._report(stage, error)) from error
                self.reporter.warn(f"{stage.label}: {error}")
        return self.store.open(stage.kind, stage.key)

    def artifacts(self, inputs: Mapping[str, Ref]) -> dict[str, Artifact]:
        """Verified; one that is corrupt or absent is named, with the command that makes it."""
        for ref in inputs.values():
            if self.stored(ref) is None:
                raise BenchmarkError(f"{ref} is not in {self.store.root}: `{worker_command(self.store, ref.key)}` makes it")
        return {name: Artifact.open(self.store, ref) for name, ref in inputs.items()}

    def _try(self, stage: Stage) -> None:
        """Build it, or raise what a launcher can tell apart: what the stage raised is reported here."""
        try:
            self._build(stage)
        except BaseException as error:
            self.store.require()
            if memory := lack_of_memory(error):
                raise self._too_large(stage, error, memory) from error
            if pending() or isinstance(error, Lost | TakenOver) or not isinstance(error, Exception):
                self.events.stage_interrupted(stage)
                raise
            raise StageFailed(self._report(stage, error)) from error

    def _build(self, stage: Stage) -> None:
        if reason := unavailable_reason(stage):
            raise Unavailable(reason)
        inputs = self.artifacts(stage.inputs)
        if self.execution.threads:
            set_threads(self.execution.threads)
        start = time.monotonic()
        self.events.stage_started(stage)
        with self.store.building(stage.kind, stage.key) as building:
            told = StageTask(stage, self.events)
            with MemoryWatch() as memory, tracked(told, self.execution.tracker, stage, self.store.root, self.reporter) as task:
                context = Context(stage.params, inputs, building.out, building.work, task, self.execution)
                summary = module_of(stage.kind).run(context)
            seconds = time.monotonic() - start + told.earlier
            manifest = Manifest(
                kind=stage.kind,
                key=stage.key,
                label=stage.label,
                params=to_json(stage.params),
                inputs={name: str(ref) for name, ref in stage.inputs.items()},
                code=stage.code.digest,
                libraries=stage.code.libraries,
                summary=to_json(summary),
                machine={
                    **context.facts,
                    "memory": {"before": memory.before, "peak": memory.peak},
                    "components": component_provenance(stage.components),
                },
                provenance=provenance(),
                wall_seconds=round(seconds, 3),
                finished=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            self.store.commit(stage.kind, stage.key, building, manifest.to_json())
        self.store.note_failure(stage.key, None)
        forget_log(self.store, stage.key)
        self.events.stage_finished(stage, seconds)

    def _too_large(self, stage: Stage, error: BaseException, memory: Memory) -> OutOfMemory:
        reason = "out of memory" + "".join(f": {line}" for line in str(error).splitlines()[:1])
        with suppress(OSError):
            self.store.note_failure(stage.key, StageFailure(reason, memory=memory))
        self.events.stage_interrupted(stage)
        self.reporter.say(f"{stage.label}: {reason}", "red")
        return OutOfMemory(reason, memory)

    def _report(self, stage: Stage, error: Exception) -> str:
        reason = str(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):  # a full disk, perhaps; what failed first is what counts
            self.store.note_failure(stage.key, StageFailure(reason, isinstance(error, Unavailable)))
        self.events.stage_failed(stage, reason)
        self.reporter.say(f"{stage.label} failed: {reason}", "red")
        text = "" if isinstance(error, BenchmarkError) else "".join(traceback.format_exception(error)).rstrip()
        if text:
            self.reporter.say(text, "dim")
        with suppress(OSError):
            write_log(self.store, stage.key, text or reason)
        return reason
