"""Runs stages in this process, one after another, each under its claim, cheap and telling cells first.

A cell asks for its last stages; what is missing is built on the way, what exists is verified and used. A stage that fails takes
down the cells that need it and nothing else. A cell that another process is working on is left for later, so that two runs on
one store do not follow each other through the same cells.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from benchmark.launch.availability import unavailable_cells, unavailable_stages
from benchmark.launch.base import FINAL, publish
from benchmark.launch.execute import Busy, Executor, StageFailed
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import Plan, RunCell, Stage
from benchmark.planning.order import execution_order
from benchmark.storage.artifacts import StageFailure

UNGUARDED = """the processes of the simulators import the script that started the run, and that started it again. Put it under
    if __name__ == "__main__":"""


@dataclass
class LocalLauncher:
    executor: Executor
    _failed: set[str] = field(default_factory=set)  # stages that failed in this run: not tried again for another cell

    def run(self, plan: Plan, estimates: Mapping[str, Estimate]) -> list[RunCell]:
        """Complete every cell that can run here; returns those that failed."""
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise BenchmarkError(UNGUARDED)
        self._failed.clear()
        for stage in plan.stages.values():
            if not self.executor.store.has(stage.kind, stage.key):
                publish(self.executor.store, stage, self.executor.execution)
        unavailable = unavailable_stages(plan, self.executor.store)
        for key, reason in unavailable.items():
            self.executor.store.note_failure(key, StageFailure(reason, unavailable=True))
        absent = unavailable_cells(plan, unavailable, self.executor.store)
        failed: list[RunCell] = []
        pending = [cell for cell in execution_order(plan, estimates) if cell.id not in absent]
        events = self.executor.events
        events.run_started(pending)
        while pending:
            later: list[RunCell] = []
            taken: list[Stage] = []
            for cell in pending:
                try:
                    for stage in self._wanted(plan, cell):
                        self.ensure(stage, plan.stages, patient=False)
                except Busy as error:
                    later.append(cell)
                    taken.append(error.stage)
                    continue
                except StageFailed:
                    failed.append(cell)
                    events.cell_failed(cell)
                    continue
                events.cell_finished(cell)
            if len(later) == len(pending):  # nothing was free: wait for one stage, then look around again
                with self._wait_for(taken[0]):
                    pass
            pending = later
        return failed

    def ensure(self, stage: Stage, stages: Mapping[str, Stage], patient: bool = True) -> Path:
        """The verified folder of a stage's artifact, built with all that it builds on where that is not there. Where another
        process is building one of them, wait, or raise Busy if not `patient`."""
        if stage.key in self._failed:
            raise StageFailed(stage.label)
        if (folder := self.executor.stored(stage.ref)) is not None:
            return folder
        try:
            for ref in stage.inputs.values():
                self.ensure(stages[ref.key], stages, patient)
        except StageFailed:
            self._failed.add(stage.key)
            self.executor.store.note_failure(stage.key, StageFailure("a stage it builds on failed"))
            raise
        try:
            return self.executor.execute(stage, patient=patient)
        except StageFailed:
            self._failed.add(stage.key)
            raise

    def _wanted(self, plan: Plan, cell: RunCell) -> list[Stage]:
        """The last stages of a cell, and what a table reads of the others where it is gone."""
        stages = [plan.stages[key] for key in cell.stages.values()]
        return [stage for stage in stages if stage.kind in FINAL or not self.executor.store.has(stage.kind, stage.key)]

    def _wait_for(self, stage: Stage) -> AbstractContextManager[None]:
        waiting = f"{stage.label}: another run is building it; waiting"
        return self.executor.store.claims.hold(stage.kind, stage.key, lambda: self.executor.reporter.say(waiting))
