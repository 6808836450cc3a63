"""Processes that own simulators: started, watched, and ended.

They come from a fork server that has imported what every worker runs and nothing that a fork would break: no GL context, no
thread, no CUDA. Nor torch: a process of 40 MB per simulator would become one of half a gigabyte. A worker answers one message
at a time with the handler it was built for. It follows its parent: when the pipe closes it frees its simulators and goes, and
when the parent is killed it goes at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from benchmark.core.errors import BenchmarkError
from benchmark.core.machine import cores
from benchmark.core.signals import deaf_children, follow_parent

PRELOADED = ("benchmark.simulation.pool", "benchmark.simulation.demonstrate")
# macOS breaks processes that fork after its frameworks are loaded, and a fork server loads them with numpy
CONTEXT: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
THREADS = (  # libraries read these when they are imported; the last is Mesa's software renderer
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LP_NUM_THREADS",
)
BOOT = 120.0  # seconds a process has for its imports, before its first sign of life
GRACE = 5.0  # seconds it has for freeing its simulators
GLANCE = 0.25  # seconds between two looks at the pulse of silent workers
NOWHERE = -1
serves = False  # whether this is a process of simulators, which never trains


def one_thread_each() -> bool:
    """Whether libraries of numbers have one thread in this process; torch gets those of its stage when that begins. If they
    are not imported yet and nobody has decided otherwise, they will."""
    if "numpy" not in sys.modules:
        for name in THREADS:
            os.environ.setdefault(name, "1")
    return all(os.environ.get(name) == "1" for name in THREADS)


class SimulationError(BenchmarkError):
    """A simulator that cannot be built or does not finish a demonstration."""


@dataclass(frozen=True)
class Failure:
    """What arrives instead of an answer when there is none."""

    reason: str


class Handler(Protocol):
    """Answers the messages of a worker. Built inside it, as `build(pulse, *args)`."""

    def __call__(self, message: Any, /) -> Any: ...
    def close(self) -> None: ...


class Pulse:
    """Shared memory in which a worker leaves signs of life: how many so far, and which slot it is busy with."""

    def __init__(self) -> None:
        self._memory = CONTEXT.RawArray("q", [0, NOWHERE])

    def beat(self, slot: int = NOWHERE) -> None:
        self._memory[1] = slot
        self._memory[0] += 1

    @property
    def beats(self) -> int:
        return self._memory[0]

    @property
    def slot(self) -> int:
        return self._memory[1]


class Worker:
    """A process as its parent sees it. The first answer, to no message, says whether the handler could be built."""

    connection: Connection

    def __init__(self, build: Callable[..., Handler], *args: Any, timeout: float):
        self.pulse, self.timeout = Pulse(), timeout
        self._seen, self._silence = 0, 0.0
        CONTEXT.set_forkserver_preload(["__main__", *PRELOADED])
        self.connection, theirs = CONTEXT.Pipe()
        with _single_threaded(), deaf_children():
            served = (theirs, self.pulse, dict(os.environ), build, args)
            self._process = CONTEXT.Process(target=_serve, args=served, daemon=True)
            self._process.start()
        theirs.close()

    def send(self, message: Any) -> None:
        self._seen, self._silence = self.pulse.beats, 0.0
        try:
            self.connection.send(message)
        except OSError:
            return  # it is dead; whoever waits for the answer learns why

    def receive(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join(GRACE)
            return Failure(f"the simulator process {_ending(self._process.exitcode)}")

    def is_hanging(self, waited: float) -> bool:
        """Whether there was no sign of life for too long. Only time spent waiting counts, so a suspended run may be resumed."""
        beats = self.pulse.beats
        self._silence = self._silence + waited if beats == self._seen else 0.0
        self._seen = beats
        return self._silence >= (self.timeout if beats else max(self.timeout, BOOT))

    def hang_up(self) -> None:
        """Lets the worker free its simulators and leave."""
        self.connection.close()

    def end(self, grace: float = 0.0) -> None:
        """Returns when the process is gone: killed if it is still there after `grace` seconds. May be called twice."""
        self.hang_up()
        self._process.join(grace)
        self._process.kill()
        self._process.join()


class Inline(Worker):
    """The same without a process, for debuggers: nothing can be survived or interrupted here."""

    def __init__(self, build: Callable[..., Handler], *args: Any, timeout: float):
        self.pulse, self.timeout = Pulse(), timeout
        self._seen, self._silence = 0, 0.0
        self.connection, self._theirs = CONTEXT.Pipe()
        self._handler = _build(build, self.pulse, args)
        self._theirs.send(self._handler if isinstance(self._handler, Failure) else None)

    def send(self, message: Any) -> None:
        assert not isinstance(self._handler, Failure)
        self._theirs.send(self._handler(message))

    def end(self, grace: float = 0.0) -> None:
        if not isinstance(self._handler, Failure):
            self._handler.close()
        self._theirs.close()
        self.connection.close()


def num_workers(requested: int | None, tasks: int) -> int:
    """How many workers to start: as many as there are cores unless told, never more than there is work for, 0 for none."""
    if requested is not None and requested < 0:
        raise SimulationError(f"the number of workers cannot be {requested}")
    return min(cores() if requested is None else requested, tasks)


def answers(workers: Collection[Worker]) -> list[tuple[Worker, Any]]:
    """Waits until one or more of the workers have answered; a `Failure` stands for the answer of one that died or hangs."""
    while True:
        start = time.monotonic()
        ready = wait([w.connection for w in workers], min(GLANCE, *(w.timeout for w in workers)))
        waited = min(time.monotonic() - start, GLANCE)
        found = [(w, w.receive()) for w in workers if w.connection in ready]
        silent = [w for w in workers if w.connection not in ready and w.is_hanging(waited)]
        found += [(w, Failure(f"no answer for {w.timeout:g} s")) for w in silent]
        if found:
            return found


def start(
    build: Callable[..., Handler], jobs: Iterable[tuple[Any, ...]], *, timeout: float, inline: bool, name: str
) -> list[Worker]:
    """One worker per job, returned when all have built their handlers, `build(pulse, *job)`."""
    workers: list[Worker] = []
    try:
        workers.extend((Inline if inline else Worker)(build, *job, timeout=timeout) for job in jobs)
        waiting = list(workers)
        while waiting:
            for worker, answer in answers(waiting):
                if isinstance(answer, Failure):
                    raise SimulationError(f"the simulator of {name} cannot be built: {answer.reason}")
                waiting.remove(worker)
    except BaseException:
        end(workers, politely=False)
        raise
    return workers


def end(workers: Collection[Worker], politely: bool) -> None:
    """All are gone when this returns. Workers in the middle of something are not asked politely."""
    for worker in workers:
        worker.hang_up()
    for worker in workers:
        worker.end(GRACE if politely else 0.0)


def reason(error: Exception) -> str:
    """The last line of a traceback and where it happened."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{''.join(traceback.format_exception_only(error)).strip()} ({Path(where.filename).name}:{where.lineno})"


def _build(build: Callable[..., Handler], pulse: Pulse, args: tuple[Any, ...]) -> Handler | Failure:
    try:
        return build(pulse, *args)
    except Exception as error:
        return Failure(reason(error))


def _serve(
    connection: Connection, pulse: Pulse, environment: dict[str, str], build: Callable[..., Handler], args: tuple[Any, ...]
) -> None:
    """The life of a worker process."""
    global serves
    serves = True
    os.environ.update(environment)  # the fork server's may be older
    os.dup2(2, 1)  # simulators talk; standard output belongs to results
    threading.Thread(target=follow_parent, daemon=True).start()
    pulse.beat()
    handler = _build(build, pulse, args)
    if isinstance(handler, Failure):
        connection.send(handler)
        return
    answer = None
    try:
        while True:
            pulse.beat()
            connection.send(answer)
            answer = handler(connection.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        handler.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # GL libraries complain at an ordinary exit


def _ending(exitcode: int | None) -> str:
    if exitcode is None:
        return "closed its pipe"
    return f"was killed by {signal.Signals(-exitcode).name}" if exitcode < 0 else f"exited with code {exitcode}"


@contextmanager
def _single_threaded() -> Iterator[None]:
    """One thread per library for what is started here: parallelism is in the number of workers."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
