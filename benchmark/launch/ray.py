"""Runs stages as tasks of Ray: on a cluster that runs, by its address, or on one of this machine for the length of the run.

Ray counts cores, memory and GPUs of its nodes, and shares of a GPU; it starts a task again if its worker or its node is gone,
and not if the task raised. Arguments and results are a key and a word: artifacts go through the store, not through Ray's.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.launch.base import End, Ending, Job
from benchmark.launch.events import Observer
from benchmark.launch.remote import Listener, RemoteTask
from benchmark.planning.config.schema import RayConfig
from benchmark.planning.resources import GB, Needs
from benchmark.storage.artifacts import Store

LOOK = 1.0  # seconds between two looks at the news of stages


def _run(task: RemoteTask) -> Ending:
    return task()


@dataclass
class RayEngine:
    config: RayConfig
    retries: int
    store: Store
    observer: Observer
    reporter: Reporter
    holds_dependencies: ClassVar[bool] = False
    _jobs: dict[Any, Job] = field(default_factory=dict)  # by the reference that Ray gives
    _looked: float = 0.0

    def __post_init__(self) -> None:
        self._ray = _ray()
        self._listener = Listener(self.store, self.observer)
        self._ours = not self._ray.is_initialized()
        if self._ours:
            # a worker imports the same code as this process
            environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}
            self._ray.init(
                self.config.address,
                runtime_env=environment,
                log_to_driver=False,
                logging_level="warning",
                include_dashboard=False,
            )

    def ready(self) -> None:
        """It was asked when this was made."""

    def fits(self, needs: Needs) -> bool:
        """As many as the cores of the cluster: more would wait in Ray, where no cell is more telling than another."""
        cores = self._ray.cluster_resources().get("CPU", 1.0)
        return not self._jobs or sum(job.needs.cores for job in self._jobs.values()) + needs.cores <= cores

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            remote = self._ray.remote(_run).options(
                name=job.stage.label,
                num_cpus=job.needs.cores,
                num_gpus=job.needs.gpu,
                memory=int(job.needs.memory * GB),
                max_retries=self.retries,
                retry_exceptions=False,
            )
            self._jobs[remote.remote(RemoteTask(job.key, self.store.root))] = job

    def wait(self, timeout: float) -> list[Ending]:
        ready, _ = self._ray.wait(list(self._jobs), num_returns=1, timeout=timeout)
        if time.monotonic() - self._looked >= LOOK:
            self._looked = time.monotonic()
            self._listener.look({job.key: job.stage for job in self._jobs.values()})
        return [self._ending(reference) for reference in ready]

    def cancel(self) -> None:
        for reference in self._jobs:
            self._ray.cancel(reference, force=False)

    def close(self) -> None:
        if self._jobs:
            self.cancel()
        if self._ours:
            self._ray.shutdown()

    def _ending(self, reference: Any) -> Ending:
        job = self._jobs.pop(reference)
        try:
            ending = self._ray.get(reference)
        except self._ray.exceptions.OutOfMemoryError as error:
            ending = Ending(job.key, End.MEMORY, _first_line(error))
        except self._ray.exceptions.RayError as error:  # after Ray's own retries
            ending = Ending(job.key, End.LOST, _first_line(error))
        self._listener.ended(ending)
        if ending.end is End.FAILED:
            self.reporter.say(f"{job.stage.label} failed: {ending.reason}", "red")
        return ending


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise BenchmarkError("--launcher ray needs Ray: pip install 'encoder-benchmark[ray]'") from error
