"""Runs stages on a SLURM cluster through submitit: arrays that depend on each other, so that no process has to stay behind.

What submitit and Hydra's launcher are known to do, and what is done about it here:

- submitit queues a job again only if what it pickled has a method `checkpoint`: `StageTask` has one, and the stage goes on from
  its own checkpoint in the store.
- it takes PREEMPTED for an end, and asks for states every ten minutes: here the queue is asked first, and what is in it lives,
  whatever accounting remembers of an earlier attempt.
- a pickle that is queued again runs after the code has changed: `StageTask` holds a key and a path, and a worker refuses a key
  that its code would not compute.
- `afterok` leaves what is behind one failure in the queue for ever: arrays wait with `afterany`, and each task looks into the
  store for what it builds on.
- one failure is raised at the end and hides the others: each stage notes its own in the store, when it happens.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, ClassVar

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.launch import slurm_queue
from benchmark.launch.base import End, Ending, Job
from benchmark.launch.events import Observer
from benchmark.launch.failures import write_log
from benchmark.launch.remote import Listener, RemoteTask
from benchmark.planning.config.schema import SlurmConfig
from benchmark.planning.resources import Needs
from benchmark.storage.artifacts import Store
from benchmark.storage.files import read_bytes, write_text

NAME = "benchmark"
FILES = ("submitted.pkl", "0_result.pkl", "0_log.out", "0_log.err")  # that submitit leaves of a job, after its number
POLL = 15.0  # seconds between two questions to the scheduler: administrators ask for few
PATIENCE = 60.0  # seconds in which accounting may not know yet how a job ended that has left the queue


class StageTask(RemoteTask):
    """What submitit pickles."""

    def __call__(self) -> Ending:
        ending = super().__call__()
        if ending.end is not End.DONE:
            raise BenchmarkError(ending.reason)  # so that the job fails, too
        return ending

    def checkpoint(self) -> Any:
        """Called on the signal before the job is stopped: the same task goes into the queue again."""
        return _submitit("submitit.helpers").DelayedSubmission(self)


@dataclass
class SlurmEngine:
    config: SlurmConfig
    store: Store
    observer: Observer
    reporter: Reporter
    holds_dependencies: ClassVar[bool] = True
    _running: dict[str, Job] = field(default_factory=dict)
    _unknown: dict[str, float] = field(default_factory=dict)  # since when a job is in no list
    _asked: float = float("-inf")

    def __post_init__(self) -> None:
        self.folder = self.store.root / "slurm"
        self._ledger = self.folder / "jobs.json"  # key -> the latest job of a stage: 101, or 101_7 in an array
        self._ids = self._noted()
        self._listener = Listener(self.store, self.observer)

    def _noted(self) -> dict[str, str]:
        """What this and other commands have submitted."""
        try:
            return {str(key): str(job) for key, job in json.loads(read_bytes(self._ledger)).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError, AttributeError) as error:
            self.reporter.warn(
                f"{self._ledger} cannot be read ({error}): what is in the queue is submitted again, and shares the work; "
                f"`scancel --name {NAME}` ends what is there"
            )
            return {}

    def ready(self) -> None:
        slurm_queue.alive()

    def fits(self, needs: Needs) -> bool:
        return True

    def submit(self, jobs: Sequence[Job]) -> None:
        """What an earlier command left in the queue is taken over, the rest becomes arrays."""
        alive = slurm_queue.alive()
        new = [job for job in jobs if self._ids.get(job.key) not in alive]
        self._running |= {job.key: job for job in jobs}
        for array in self._arrays(new):
            before = {self._ids[key].partition("_")[0] for job in array for key in job.after}
            self._submit(array, sorted(before))
        states = [alive[self._ids[job.key]] for job in jobs if self._ids.get(job.key) in alive]
        running = states.count("RUNNING")
        self.reporter.say(
            f"slurm: {len(new)} stages submitted; of earlier ones {running} run and {len(states) - running} wait "
            f"(squeue --name {NAME}; run --watch follows them)"
        )

    def scripts(self, jobs: Sequence[Job]) -> Iterator[str]:
        """What `submit` would give to sbatch, with names in place of the numbers of jobs."""
        make = _submitit("submitit.slurm.slurm")._make_sbatch_string
        names: dict[str, str] = {}
        for number, array in enumerate(self._arrays(jobs), 1):
            names |= {job.key: f"ARRAY{number}" for job in array}
            before = sorted({names[key] for job in array for key in job.after})
            many = {"map_count": len(array)} if len(array) > 1 else {}
            command = f"{sys.executable} -u -m submitit.core._submit {self.folder}"
            text = make(command=command, folder=self.folder, **self._parameters(array, before), **many)
            yield f"# ARRAY{number}: {', '.join(job.stage.label for job in array)}\n{text}"

    def wait(self, timeout: float) -> list[Ending]:
        if (left := self._asked + POLL - time.monotonic()) > 0:
            time.sleep(min(left, timeout))
            return []
        self._asked = time.monotonic()
        self._listener.look({key: job.stage for key, job in self._running.items()})
        done = [key for key, job in self._running.items() if self.store.has(job.stage.kind, key)]
        endings = [self._ended(Ending(key, End.DONE)) for key in done]
        try:
            return endings + [self._ended(ending) for ending in self._gone()]
        except BenchmarkError as error:  # a controller that restarts does not answer for a minute
            self.reporter.warn(f"{error}; asking again")
            return endings

    def cancel(self) -> None:
        slurm_queue.cancel([self._ids[key] for key in self._running])

    def close(self) -> None:
        """The jobs go on: whoever watches may leave."""

    def _gone(self) -> list[Ending]:
        """What has left the queue without an artifact."""
        alive = slurm_queue.alive()
        gone = {key: self._ids[key] for key in self._running if self._ids[key] not in alive}
        states = slurm_queue.ended(gone.values()) if gone else {}
        self._unknown = {key: since for key, since in self._unknown.items() if key in gone}
        endings = []
        for key, job in gone.items():
            stage, now = self._running[key].stage, time.monotonic()
            late = now - self._unknown.setdefault(key, now) >= PATIENCE
            if self.store.has(stage.kind, key):
                endings.append(Ending(key, End.DONE))  # between the look at the store and the question
            elif states.get(job) in slurm_queue.FINAL or late:
                endings.append(slurm_queue.ending(stage, states.get(job, "UNKNOWN"), self.store))
        return endings

    def _ended(self, ending: Ending) -> Ending:
        job = self._running.pop(ending.key)
        self._unknown.pop(ending.key, None)
        self._listener.ended(ending)
        if ending.end is End.FAILED:
            self.reporter.say(f"{job.stage.label} failed: {ending.reason}", "red")
        files = {name: self.folder / f"{self._ids[ending.key]}_{name}" for name in FILES}
        if ending.end in (End.LOST, End.MEMORY, End.GPU_MEMORY) and (log := files["0_log.err"]).is_file():
            write_log(self.store, ending.key, log.read_text(errors="replace"))
        if ending.end is End.DONE:
            for path in files.values():
                path.unlink(missing_ok=True)
        return ending

    def _arrays(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        """Jobs that may run side by side and need the same, those that others build on first."""
        level: dict[str, int] = {}
        groups: dict[tuple[int, str, Needs], list[Job]] = defaultdict(list)
        for job in jobs:
            level[job.key] = 1 + max((level[key] for key in job.after if key in level), default=0)
            groups[level[job.key], job.stage.kind, job.needs].append(job)
        for _, group in sorted(groups.items(), key=lambda item: item[0][:2]):
            for first in range(0, len(group), self.config.array):
                yield group[first : first + self.config.array]

    def _submit(self, array: Sequence[Job], before: Sequence[str]) -> None:
        executor = _submitit("submitit").SlurmExecutor(self.folder, max_num_timeout=self.config.timeouts)
        executor.update_parameters(**self._parameters(array, before))
        tasks = [StageTask(job.key, self.store.root) for job in array]
        try:
            with executor.batch():
                submitted = [executor.submit(task) for task in tasks]
        except _submitit("submitit.core.utils").FailedJobError as error:  # too many jobs of one user, an unknown partition
            text = " ".join(str(error).split())
            raise BenchmarkError(
                f"sbatch refused: {text}. What was submitted before goes on; the same command adds the rest"
            ) from error
        self._ids |= self._noted() | {job.key: one.job_id for job, one in zip(array, submitted, strict=True)}
        write_text(self._ledger, json.dumps(self._ids))

    def _parameters(self, array: Sequence[Job], before: Sequence[str]) -> dict[str, Any]:
        """Of sbatch, in submitit's words. `requeue`: after the failure of a node, too."""
        needs, config = array[0].needs, self.config
        gpus = {"gres": config.gres} if config.gres else {"gpus-per-node": ceil(needs.gpu)}
        additional = {"requeue": True, **(gpus if needs.gpu else {})}
        if before:
            additional["dependency"] = f"afterany:{':'.join(before)}"
        return {
            "job_name": NAME,
            "comment": array[0].stage.kind,
            "partition": config.partition,
            "account": config.account,
            "qos": config.qos,
            "time": ceil(needs.minutes),
            "cpus_per_task": needs.cores,
            "mem": f"{ceil(1000 * needs.memory)}MB",
            "signal_delay_s": config.signal,
            "setup": config.setup or None,
            "array_parallelism": config.side_by_side,
            "additional_parameters": additional,
        }


def _submitit(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BenchmarkError("--launcher slurm needs submitit: pip install 'encoder-benchmark[slurm]'") from error
