"""Runs stages in this process, one after another, each under its lock.

A cell asks for its last stage; what is missing is built on the way, what exists is verified and used. A stage that fails takes
down the cells that need it and nothing else. A cell that another process is working on is left for later, so that two runs on
one store do not follow each other through the same cells.
"""

from __future__ import annotations

import importlib
import multiprocessing
import time
import traceback
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.core.machine import provenance, set_threads
from benchmark.core.progress import Reporter, duration
from benchmark.planning.config.schema import MachineConfig
from benchmark.planning.graph import Cell, Plan, Stage
from benchmark.stages.context import Context, StageFunction
from benchmark.storage.artifacts import Store

FINAL = ("probe", "rollout")  # the stages whose results a table shows
UNGUARDED = """the processes of the simulators import the script that started the run, and that started it again. Put it under
    if __name__ == "__main__":"""


class StageFailed(Exception):
    """A stage could not be built; the reason has been reported and stored."""


class Busy(Exception):
    """Another process is building a stage."""

    def __init__(self, stage: Stage):
        super().__init__(stage.label)
        self.stage = stage


@dataclass
class Runner:
    store: Store
    reporter: Reporter
    machine: MachineConfig = field(default_factory=MachineConfig)
    timeout: float = 120.0

    def run(self, plan: Plan) -> list[Cell]:
        """Complete every cell that can run here; returns those that failed."""
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise BenchmarkError(UNGUARDED)
        set_threads(self.machine.threads)
        failed: list[Cell] = []
        gone: set[str] = set()  # stages that failed in this run: not tried again for another cell
        pending = runnable = [cell for cell in plan.cells if cell.missing is None]
        finished = 0
        while pending:
            busy: list[Cell] = []
            taken: list[Stage] = []
            for cell in pending:
                try:
                    for kind in FINAL:
                        self.ensure(plan.stages[cell.stages[kind]], plan.stages, gone, patient=False)
                except Busy as error:
                    busy.append(cell)
                    taken.append(error.stage)
                    continue
                except StageFailed:
                    failed.append(cell)
                    continue
                finished += 1
                self.reporter.say(f"[{finished + len(failed)}/{len(runnable)}] {cell.label}: done", "green")
            if len(busy) == len(pending):  # nothing was free: wait for one stage, then look around again
                with self._lock(taken[0]):
                    pass
            pending = busy
        return failed

    def ensure(self, stage: Stage, stages: dict[str, Stage], gone: set[str] | None = None, patient: bool = True) -> Path:
        """The verified folder of a stage's artifact, built if it is not there. Where another process is building it, wait, or
        raise Busy if not `patient`."""
        gone = set() if gone is None else gone
        if stage.key in gone:
            raise StageFailed(stage.label)
        if (folder := self._stored(stage)) is not None:
            return folder
        try:
            inputs = {kind: self.ensure(stages[key], stages, gone, patient) for kind, key in stage.inputs.items()}
        except StageFailed:
            gone.add(stage.key)
            self.store.note_failure(stage.key, "a stage it builds on failed")
            raise
        with self._lock(stage, patient):
            if (folder := self._stored(stage)) is not None:
                return folder
            try:
                self._build(stage, inputs)
            except Exception as error:
                gone.add(stage.key)
                self._report(stage, error)
                raise StageFailed(stage.label) from error
        return self.store.open(stage.kind, stage.key)

    def _lock(self, stage: Stage, patient: bool = True) -> AbstractContextManager[None]:
        def taken() -> None:
            if not patient:
                raise Busy(stage)
            self.reporter.say(f"{stage.label}: another run is building it; waiting")

        return self.store.lock(stage.kind, stage.key, taken)

    def _stored(self, stage: Stage) -> Path | None:
        if not self.store.has(stage.kind, stage.key):
            return None
        try:
            return self.store.open(stage.kind, stage.key)
        except Corrupt as error:
            moved = self.store.quarantine(stage.kind, stage.key)
            self.reporter.warn(f"corrupt artifact: {error}. Moved to {moved}; building it again")
            return None

    def _build(self, stage: Stage, inputs: dict[str, Path]) -> None:
        function: StageFunction = importlib.import_module(f"benchmark.stages.{stage.kind}").run
        manifests = {kind: self.store.manifest(kind, stage.inputs[kind]) for kind in inputs}
        start = time.monotonic()
        with self.store.building(stage.kind, stage.key) as building, self.reporter.task(stage.label) as task:
            context = Context(
                params=stage.params,
                inputs=inputs,
                manifests=manifests,
                out=building.out,
                work=building.work,
                task=task,
                workers=self.machine.workers,
                timeout=self.timeout,
            )
            summary = function(context)
            seconds = time.monotonic() - start
            manifest: dict[str, Any] = {
                "label": stage.label,
                "params": stage.params,
                "inputs": stage.inputs,
                "summary": summary,
                "wall_seconds": round(seconds, 3),
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "provenance": provenance(),
            }
            self.store.commit(stage.kind, stage.key, building, manifest)
        self.store.note_failure(stage.key, None)
        self.reporter.say(f"  {stage.label}: {duration(seconds)}", "dim")

    def _report(self, stage: Stage, error: Exception) -> None:
        reason = str(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {error}"
        self.store.note_failure(stage.key, reason)
        self.reporter.say(f"{stage.label} failed: {reason}", "red")
        if not isinstance(error, BenchmarkError):
            self.reporter.say("".join(traceback.format_exception(error)).rstrip(), "dim")
