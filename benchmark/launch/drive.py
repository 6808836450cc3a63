"""Brings every cell of a plan to its last stages, through whatever engine runs them.

Cells are looked at in the order of execution, each when there is room for it: what is stored is verified and used, what is
missing becomes a job once all that it builds on is there. A stage that fails takes down the cells that need it and nothing
else; one that is lost with its process or its node is tried again, one that ran out of memory with more of it, or with smaller
pieces of its batches; one that another run is building is left for later.
"""

from __future__ import annotations

import multiprocessing
import time
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmark.core.errors import BenchmarkError
from benchmark.launch.availability import unavailable_cells, unavailable_stages
from benchmark.launch.base import FINAL, End, Ending, Engine, Job, execution_of, publish
from benchmark.launch.execute import Executor
from benchmark.launch.failures import Failure
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import CellId, Plan, RunCell, Stage
from benchmark.planning.order import execution_order
from benchmark.planning.resources import Needs, Resources
from benchmark.stages.params.pretrain import Params
from benchmark.storage.artifacts import StageFailure

UNGUARDED = """the processes of the simulators import the script that started the run, and that started it again. Put it under
    if __name__ == "__main__":"""
GLANCE = 1.0  # seconds between two looks at what other runs are building
LEAST = Needs()


@dataclass
class Result:
    """What became of a run. `failures` are the stages that failed themselves, not those that build on them."""

    failed: list[RunCell] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    waiting: list[RunCell] = field(default_factory=list)  # an engine that holds dependencies goes on with them


@dataclass(order=True)
class _Wanted:
    """A stage that has to be built. Sorted by when it was first wanted: what a cell builds on comes before it."""

    rank: int
    stage: Stage = field(compare=False)
    missing: set[str] = field(default_factory=set, compare=False)  # keys of what it builds on and is not there yet
    tries: int = field(default=0, compare=False)
    alone: bool = field(default=False, compare=False)  # it did not find enough memory beside others
    pieces: int | None = field(default=None, compare=False)  # of a batch, because the memory is too small for larger ones
    lack: str = field(default="", compare=False)  # what was said of that


@dataclass
class Launcher:
    """`here`: stages run on this machine, which can say beforehand what it lacks."""

    engine: Engine
    executor: Executor
    resources: Resources
    fail_fast: bool = False
    here: bool = True

    def run(self, plan: Plan, estimates: Mapping[str, Estimate], *, watch: bool = True) -> Result:
        """Complete every cell that can run. Without `watch`, an engine that holds dependencies is left alone with them."""
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise BenchmarkError(UNGUARDED)
        run = _Run(self, plan)
        try:
            run.begin(estimates)
            while run.fill() or run.running or run.taken:
                if not watch and self.engine.holds_dependencies:
                    break
                for ending in self.engine.wait(GLANCE):
                    run.end(ending)
                if self.fail_fast and run.result.failures:
                    self.engine.cancel()
                    break
        except OSError:
            self.executor.store.require()
            raise
        finally:
            self.engine.close()
        run.result.waiting = list(run.unfinished())
        return run.result

    def jobs(self, plan: Plan, estimates: Mapping[str, Estimate]) -> list[Job]:
        """All that a run would submit, what others build on first. Nothing is."""
        run = _Run(self, plan)
        run.begin(estimates)
        return run.all_jobs()


class _Run:
    """The state of one run."""

    def __init__(self, launcher: Launcher, plan: Plan):
        self.engine, self.executor, self.launcher, self.plan = launcher.engine, launcher.executor, launcher, plan
        self.store, self.events = launcher.executor.store, launcher.executor.events
        self.config = next(iter(plan.configs.values()))
        self.result = Result()
        self.running: dict[str, _Wanted] = {}
        self.taken: dict[str, tuple[float, _Wanted]] = {}  # with the time to look at them again
        self._cells: deque[RunCell] = deque()
        self._open: dict[CellId, tuple[RunCell, set[str]]] = {}  # looked at, not complete; the last stages it lacks
        self._wanted: dict[str, _Wanted] = {}
        self._ready: list[_Wanted] = []
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._users: dict[str, list[str]] = defaultdict(list)  # stages that build on one
        self._needing: dict[str, list[CellId]] = defaultdict(list)  # cells that need one
        self._told: set[str] = set()  # taken, and said so
        self._ranks = 0

    def begin(self, estimates: Mapping[str, Estimate]) -> None:
        unavailable = unavailable_stages(self.plan, self.store) if self.launcher.here else {}
        for key, reason in unavailable.items():
            self.store.note_failure(key, StageFailure(reason, unavailable=True))
        absent = unavailable_cells(self.plan, unavailable, self.store)
        self._cells.extend(cell for cell in execution_order(self.plan, estimates) if cell.id not in absent)
        self.events.run_started(list(self._cells))

    def unfinished(self) -> Iterator[RunCell]:
        yield from (cell for cell, _ in self._open.values())
        yield from self._cells

    def fill(self) -> bool:
        """Submit what is ready and fits, in order; whether there was anything."""
        now, submitted = time.monotonic(), False
        for key in [key for key, (due, _) in self.taken.items() if due <= now]:
            insort(self._ready, self.taken.pop(key)[1])
        if self.engine.holds_dependencies:
            self._ready.clear()
            jobs = self.all_jobs()
            self._submit(jobs)
            return bool(jobs)
        while self.engine.fits(LEAST) and (wanted := self._next()):
            self._submit([self._job(wanted)])
            submitted = True
        if self.taken and not self.running:
            self._wait_for_others()
        return submitted

    def end(self, ending: Ending) -> None:
        if (wanted := self.running.pop(ending.key, None)) is None:
            return  # what it builds on has failed meanwhile
        match ending.end:
            case End.DONE:
                self._finish(wanted.stage)
            case End.TAKEN:
                self.taken[ending.key] = time.monotonic() + GLANCE, wanted
            case End.LOST | End.MEMORY | End.GPU_MEMORY if self._otherwise(wanted, ending):
                pieces = f" with each batch in {wanted.pieces} pieces" if wanted.pieces else ""
                self.executor.reporter.warn(f"{wanted.stage.label}: {ending.reason}; trying again{pieces}")
                insort(self._ready, wanted)
            case _:
                first = f"{wanted.lack}; with each batch in {wanted.pieces} pieces: " if wanted.pieces else ""
                noted = ending.end is End.FAILED and self.store.failure(ending.key)
                if first or not noted:
                    self.store.note_failure(ending.key, StageFailure(first + ending.reason))
                if not noted:  # nobody who knew why was left to tell
                    self.events.stage_failed(wanted.stage, ending.reason)
                self._fail(wanted.stage, first + ending.reason)

    def _wait_for_others(self) -> None:
        for key, (_, wanted) in self.taken.items():
            if key not in self._told:
                self._told.add(key)
                holder = self.store.claims.holder(wanted.stage.kind, key)
                self.executor.reporter.say(f"{wanted.stage.label}: {holder}; waiting")
        time.sleep(GLANCE)

    def _otherwise(self, wanted: _Wanted, ending: Ending) -> bool:
        """Prepare another try of what was lost; whether there is one. Memory: first all that the machine has, unless it is that
        of a GPU that the stage has had for itself, then half of a piece of each batch."""
        lack = ending.end is not End.LOST
        most = wanted.alone or (ending.end is End.GPU_MEMORY and self._needs(wanted).gpu >= 1)
        if wanted.tries < self.config.launch.retries and not (lack and most):
            wanted.tries += 1
            wanted.alone |= lack or wanted.tries > 1  # what kills a process may be a lack of memory
            return True
        pieces = 2 * (wanted.pieces or self.config.machine.accumulate)
        if lack and self.config.launch.divide_batches and _divides(wanted.stage, pieces * self.config.machine.processes):
            wanted.pieces, wanted.lack = pieces, wanted.lack or ending.reason
            return True
        return False

    def _next(self) -> _Wanted | None:
        """The first stage that is ready and fits; more cells are looked at only where there is room left."""
        looked = 0
        while True:
            for wanted in self._ready[looked:]:
                if not self._useful(wanted.stage.key):
                    self._drop(wanted)
                elif self.engine.fits(self._needs(wanted)):
                    self._ready.remove(wanted)
                    return wanted
            looked = len(self._ready)
            if not self._cells:
                return None
            self._look_at(self._cells.popleft())

    def all_jobs(self) -> list[Job]:
        """Of what is missing and not submitted, whether it is ready or not."""
        while self._cells:
            self._look_at(self._cells.popleft())
        busy = self.running.keys() | self.taken.keys()
        waiting = sorted(wanted for key, wanted in self._wanted.items() if key not in busy and self._useful(key))
        return [self._job(wanted) for wanted in waiting]

    def _submit(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.store.note_failure(job.key, None)  # of an earlier run
            wanted = self.running[job.key] = self._wanted[job.key]
            publish(self.store, job.stage, execution_of(self.config, job.needs, wanted.pieces))
        if jobs:
            self.engine.submit(jobs)

    def _job(self, wanted: _Wanted) -> Job:
        return Job(wanted.stage, self._needs(wanted), tuple(sorted(wanted.missing)))

    def _needs(self, wanted: _Wanted) -> Needs:
        needs = self.launcher.resources.of(wanted.stage)
        return self.launcher.resources.generous(needs) if wanted.alone else needs

    def _look_at(self, cell: RunCell) -> None:
        stages = [self.plan.stages[key] for key in cell.stages.values()]
        stages = [
            one for one in stages if one.kind in FINAL or not self.store.has(one.kind, one.key)
        ]  # tables read others, too
        missing = {stage.key for stage in stages if not self._have(stage, cell)}
        if not missing:
            self.events.cell_finished(cell)
        elif any(key in self._failed for key in missing):
            self._cell_failed(cell)
        else:
            self._open[cell.id] = cell, missing

    def _have(self, stage: Stage, cell: RunCell) -> bool:
        """Whether a stage is stored; otherwise it is wanted from here on, and all that it builds on before."""
        key = stage.key
        if key in self._done:
            return True
        if self._needing[key][-1:] != [cell.id]:
            self._needing[key].append(cell.id)
        if key in self._failed:
            return False
        if key not in self._wanted and self.executor.stored(stage.ref) is not None:
            self._done.add(key)
            return True
        inputs = [self.plan.stages[ref.key] for ref in stage.inputs.values()]
        missing = {one.key for one in inputs if not self._have(one, cell)}
        if not missing.isdisjoint(self._failed):
            self._note_consequence(key)
        elif key not in self._wanted:
            self._ranks += 1
            self._wanted[key] = wanted = _Wanted(self._ranks, stage, missing)
            for one in missing:
                self._users[one].append(key)
            if not missing:
                insort(self._ready, wanted)
        return False

    def _useful(self, key: str) -> bool:
        return any(cell in self._open for cell in self._needing[key])

    def _drop(self, wanted: _Wanted) -> None:
        """Nobody needs it any more; a cell that is looked at later may."""
        self._ready.remove(wanted)
        del self._wanted[wanted.stage.key]

    def _finish(self, stage: Stage) -> None:
        self._wanted.pop(stage.key, None)
        self._done.add(stage.key)
        for user in self._users.pop(stage.key, ()):
            if user in self._wanted:
                self._wanted[user].missing.discard(stage.key)
                if not self._wanted[user].missing and user not in self.running:
                    insort(self._ready, self._wanted[user])
        for cell_id in self._needing.pop(stage.key, ()):
            if cell_id in self._open:
                cell, missing = self._open[cell_id]
                missing.discard(stage.key)
                if not missing:
                    del self._open[cell_id]
                    self.events.cell_finished(cell)

    def _fail(self, stage: Stage, reason: str) -> None:
        self.result.failures.append(Failure(stage, reason))
        self._wanted.pop(stage.key, None)
        self._failed.add(stage.key)
        fallen = deque(self._users.pop(stage.key, ()))
        while fallen:
            if (key := fallen.popleft()) in self._wanted:
                self._note_consequence(key)
                fallen.extend(self._users.pop(key, ()))
        for cell_id in self._needing[stage.key]:
            if cell_id in self._open:
                self._cell_failed(self._open.pop(cell_id)[0])

    def _note_consequence(self, key: str) -> None:
        self._wanted.pop(key, None)
        self.running.pop(key, None)
        self._failed.add(key)
        self.store.note_failure(key, StageFailure("a stage it builds on failed"))

    def _cell_failed(self, cell: RunCell) -> None:
        self.result.failed.append(cell)
        self.events.cell_failed(cell)


def _divides(stage: Stage, pieces: int) -> bool:
    """Whether batches can be computed in so many pieces, as far as that shows before: only pretrainings do that."""
    params = stage.params
    return isinstance(params, Params) and params.learning is not None and params.config["batch_size"] % pieces == 0
