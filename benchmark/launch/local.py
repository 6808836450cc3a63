"""Runs stages side by side on this machine, in worker processes that stay and keep their imports.

The first workers are copies of this process, made before it has threads and after it has imported all that stages need and read
all code that is on their keys: they begin at once, where a new process would take seconds of each core (`copy_myself`). Where a
process cannot be copied safely, and in place of a worker that is gone, a new one is started.

A worker belongs to some GPUs or to none. It follows this process: when that is killed, the worker goes at once and loses what
a checkpoint interval holds. A terminal sends Ctrl-C to all of them; workers leave it to this process, which stops them by
SIGTERM. What a worker writes, its simulators' messages included, goes to a file without a name, so that nothing is left of it;
the part that a failed stage wrote becomes the log of that stage.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import ceil
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, ClassVar

from benchmark.core.progress import Reporter
from benchmark.core.signals import deaf_children, follow_parent
from benchmark.launch.base import End, Ending, Job
from benchmark.launch.events import Observer
from benchmark.launch.execute import Executor
from benchmark.launch.failures import write_log
from benchmark.launch.task import add_components, added_components, execute_key
from benchmark.planning.graph import RunCell, Stage
from benchmark.planning.resources import Machine, Needs
from benchmark.simulation.workers import THREADS
from benchmark.storage.artifacts import Store

CONTEXT = multiprocessing.get_context("spawn")  # not fork: torch has threads; the fork server is the simulators', without torch
GRACE = 15.0  # seconds that a stage has to stop: one step of a training, and its simulators
LOG = 1 << 16  # bytes of the end of a log that are looked at
PULSE = 0.2  # seconds between two reports of how far a stage is


@dataclass(frozen=True)
class Told:
    """What a worker tells of its stage: a method of `Observer`, and its arguments after the stage."""

    event: str
    arguments: tuple[Any, ...] = ()


@dataclass
class _Worker:
    process: Any
    connection: Connection
    log: IO[bytes]
    gpus: tuple[int, ...]
    job: Job | None = None
    shown: bool = False  # the observer was told that the stage runs
    since: int = 0  # where the log of its stage begins


@dataclass
class LocalEngine:
    machine: Machine
    store: Store
    observer: Observer
    reporter: Reporter
    holds_dependencies: ClassVar[bool] = False
    _workers: list[_Worker] = field(default_factory=list)

    def copy_myself(self, count: int) -> None:
        """Have so many workers as copies of this process. Asked of one that has no thread, whose libraries have one each; a
        copy cannot use CUDA once this process has, and could not choose its GPUs any more."""
        if sys.platform == "linux" and threading.active_count() == 1 and not self.machine.gpus:
            for _ in range(min(count, self.machine.cores)):
                self._start((), multiprocessing.get_context("fork"))

    def ready(self) -> None:
        """Nothing does."""

    def fits(self, needs: Needs) -> bool:
        running = [worker.job.needs for worker in self._workers if worker.job]
        if not running:
            return True
        cores = sum(one.cores for one in running) + needs.cores
        memory = sum(one.memory for one in running) + needs.memory
        return cores <= self.machine.cores and memory <= self.machine.memory and self._gpus_for(needs) is not None

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            gpus = self._gpus_for(job.needs) or ()
            idle = [worker for worker in self._workers if worker.job is None and worker.gpus == gpus]
            worker = idle[0] if idle else self._start(gpus)
            worker.job, worker.shown, worker.since = job, False, os.fstat(worker.log.fileno()).st_size
            with suppress(OSError):  # it died while it had nothing to do: `wait` says so
                worker.connection.send(job.key)

    def wait(self, timeout: float) -> list[Ending]:
        busy: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers if worker.job}
        endings = []
        for connection in wait(list(busy), timeout):
            try:
                message = busy[connection].connection.recv()
            except (EOFError, OSError):
                endings.append(self._lost(busy[connection]))
                continue
            if isinstance(message, Told):
                self._tell(busy[connection], message)
            else:
                endings.append(self._ended(busy[connection], message))
        return endings

    def cancel(self) -> None:
        """Stages get a signal and some seconds; a second Ctrl-C takes these away."""
        for worker in self._workers:
            if worker.job and worker.shown:
                self.observer.stage_interrupted(worker.job.stage)
            worker.job = None
            worker.process.terminate()
        try:
            end = time.monotonic() + GRACE
            for worker in self._workers:
                worker.process.join(max(0.0, end - time.monotonic()))
        finally:
            self._end()

    def close(self) -> None:
        if any(worker.job for worker in self._workers):
            return self.cancel()
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(GRACE)
        self._end()

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()
            worker.log.close()
        self._workers.clear()

    def _gpus_for(self, needs: Needs) -> tuple[int, ...] | None:
        """Which GPUs a job would get; None if they are not free. Shares go to the fullest GPU that has room for them."""
        load = dict.fromkeys(range(self.machine.gpus), 0.0)
        for worker in self._workers:
            if worker.job:
                load |= {gpu: load[gpu] + min(1.0, worker.job.needs.gpu) for gpu in worker.gpus}
        free = sorted((gpu for gpu in load if load[gpu] + min(1.0, needs.gpu) <= 1.0), key=lambda gpu: (-load[gpu], gpu))
        count = ceil(needs.gpu)
        return tuple(sorted(free[:count])) if len(free) >= count else None

    def _start(self, gpus: tuple[int, ...], context: Any = None) -> _Worker:
        self._make_room()
        context = context or CONTEXT
        mine, theirs = context.Pipe()
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        output = Connection(os.dup(log.fileno()), readable=False)  # the class knows how to take a descriptor to a new process
        if context.get_start_method() == "fork":  # a copy has all that is registered, and this end of every pipe
            others, components = [mine, *(worker.connection for worker in self._workers)], {}
            sys.stdout.flush()
            sys.stderr.flush()
        else:
            others, components = [], added_components()
        process = context.Process(target=_serve, args=(theirs, output, self.store.root, components, others))
        with _environment(gpus, self.machine.gpus), deaf_children():
            process.start()
        theirs.close()
        output.close()
        self._workers.append(_Worker(process, mine, log, gpus))
        return self._workers[-1]

    def _make_room(self) -> None:
        """A worker that has nothing to do holds the memory of its imports, and of CUDA: one goes where too many wait."""
        idle = [worker for worker in self._workers if worker.job is None]
        if idle and len(self._workers) >= self.machine.cores:
            self._workers.remove(idle[0])
            idle[0].connection.close()
            idle[0].process.join(GRACE)
            idle[0].process.kill()
            idle[0].log.close()

    def _tell(self, worker: _Worker, message: Told) -> None:
        assert worker.job is not None
        worker.shown = True
        getattr(self.observer, message.event)(worker.job.stage, *message.arguments)

    def _ended(self, worker: _Worker, ending: Ending) -> Ending:
        assert worker.job is not None
        if ending.end is End.FAILED:
            self.reporter.say(f"{worker.job.stage.label} failed: {ending.reason}", "red")
            self._keep_log(worker)
        worker.job = None
        return ending

    def _lost(self, worker: _Worker) -> Ending:
        assert worker.job is not None
        worker.process.join(GRACE)
        job, code = worker.job, worker.process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if (code or 0) < 0 else f"ended with code {code}"
        if worker.shown:
            self.observer.stage_interrupted(job.stage)
        self._keep_log(worker)
        self._workers.remove(worker)
        worker.connection.close()
        worker.log.close()
        return Ending(job.key, End.LOST, f"its process {how}")

    def _keep_log(self, worker: _Worker) -> None:
        assert worker.job is not None
        text = os.pread(worker.log.fileno(), LOG, max(worker.since, os.fstat(worker.log.fileno()).st_size - LOG))
        write_log(self.store, worker.job.key, text.decode(errors="replace"))


@contextmanager
def _environment(gpus: tuple[int, ...], count: int) -> Iterator[None]:
    """Of a process that is started here. Libraries get one thread each; torch gets those of its stage when that begins: two
    threads that wait for each other on a busy core take many times as long as one."""
    wanted = dict.fromkeys(THREADS, "1")
    if count:
        names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count)))).split(",")
        wanted["CUDA_VISIBLE_DEVICES"] = ",".join(names[gpu] for gpu in gpus)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ |= {} if value is None else {name: value}


class _Forward:
    """The observer in a worker: everything goes to the engine, progress not more often than somebody can look."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._last = 0.0

    def stage_started(self, stage: Stage) -> None:
        self._connection.send(Told("stage_started"))

    def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
        if (now := time.monotonic()) - self._last >= PULSE:
            self._last = now
            self._connection.send(Told("stage_progress", (done, total, note)))

    def stage_finished(self, stage: Stage, seconds: float) -> None:
        self._connection.send(Told("stage_finished", (seconds,)))

    def stage_failed(self, stage: Stage, reason: str) -> None:
        self._connection.send(Told("stage_failed", (reason,)))

    def stage_interrupted(self, stage: Stage) -> None:
        self._connection.send(Told("stage_interrupted"))

    def run_started(self, cells: Sequence[RunCell]) -> None: ...

    def cell_finished(self, cell: RunCell) -> None: ...

    def cell_failed(self, cell: RunCell) -> None: ...


def _serve(
    connection: Connection,
    output: Connection,
    home: Path,
    components: Mapping[str, list[type]],
    others: Sequence[Connection],
) -> None:
    """The life of a worker. `others`: ends of pipes that are the engine's. While a copy holds one, nobody sees it closed."""
    for other in others:
        other.close()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    threading.Thread(target=follow_parent, daemon=True).start()
    faulthandler.enable()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # of the engine, which alone hears the others
        add_components(components)
        executor = Executor(Store(home), Reporter(), observer=_Forward(connection))
        while True:
            connection.send(execute_key(executor, connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        code = 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # GL libraries complain at an ordinary exit
