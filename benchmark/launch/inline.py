"""Runs stages in this process, one after another: for one core, for small plans, and for debuggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmark.launch.base import End, Ending, Job
from benchmark.launch.execute import Executor
from benchmark.launch.task import execute_key
from benchmark.planning.resources import Needs


class InlineEngine:
    holds_dependencies: ClassVar[bool] = False

    def __init__(self, executor: Executor):
        self._executor = executor
        self._jobs: list[Job] = []

    def ready(self) -> None:
        """Nothing does."""

    def fits(self, needs: Needs) -> bool:
        return not self._jobs

    def submit(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)

    def wait(self, timeout: float) -> list[Ending]:
        """Runs what was submitted; no `timeout` stops it."""
        jobs, self._jobs = self._jobs, []
        endings = []
        for job in jobs:
            try:
                endings.append(execute_key(self._executor, job.key))
            except SystemExit as error:  # in the code of a method; elsewhere it ends the worker, here it would end the run
                endings.append(Ending(job.key, End.FAILED, f"it called sys.exit({error})"))
        return endings

    def cancel(self) -> None:
        self._jobs.clear()

    def close(self) -> None:
        pass
