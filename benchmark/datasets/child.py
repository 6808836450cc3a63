"""The process that reads a data set: it may allocate what its budget says, and it tells what it has read.

A format's own code, and the libraries that it calls, can be made to allocate anything by a file that was written to do so. So
it runs here, where the system refuses to give more, and where nothing is lost when it is killed. It imports no torch unless the
format needs it, so that it starts in a fraction of a second.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.datasets import look, open_as
from benchmark.datasets.budget import Budget, Limits, spending
from benchmark.datasets.files import reading
from benchmark.datasets.source import Source
from benchmark.datasets.wire import episode_arrays, episode_header, pack, unpack

SIGN_EVERY = 0.5  # seconds between two signs of life
PDEATHSIG = 1  # of prctl(2)


def main() -> None:
    """Speaks on what was standard output; what a library prints there goes nowhere."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    die_with(os.getppid())
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, out, hold_to)


def serve(requests: BinaryIO, out: BinaryIO, hold: Callable[[Budget], None]) -> None:
    """Open the data set that the first request names, and then give the episodes that the second asks for."""

    def send(*parts: bytes | memoryview) -> None:
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[out.write(left) :]

    last = time.monotonic()

    def progress() -> None:
        nonlocal last
        if time.monotonic() - last > SIGN_EVERY:
            last = time.monotonic()
            send(pack({"kind": "sign"}))

    try:
        first = unpack(requests.read)
        path = Path(first["path"])
        cls, stored = look(path, first["format"])
        budget = Limits(**first["limits"]).budget(stored)
        for package in cls.packages:
            with suppress(ImportError):
                importlib.import_module(package)  # its code is not what the file costs
        hold(budget)
        with spending(budget, progress):
            source = open_as(cls, path)
            send(pack(_opened(source)))
            wanted = unpack(requests.read)
            for episode in source.episodes(wanted["start"], wanted["side"]):
                send(pack({"kind": "episode", **episode_header(episode)}), *episode_arrays(episode))
        send(pack({"kind": "end"}))
    except (BenchmarkError, OSError) as error:  # the latter of a path that no file could have
        send(pack({"kind": "error", "text": str(error), "unavailable": isinstance(error, Unavailable)}))


def _opened(source: Source) -> dict[str, object]:
    with reading(source.path):
        said, files = source.describe(), source.files()
    return {
        "kind": "opened",
        "path": str(source.path),
        "format": source.format,
        "description": asdict(said),
        "files": [str(file) for file in files],
    }


def hold_to(budget: Budget) -> None:
    """No more memory than what is taken now and the budget, for this process and for each that it starts.

    Linux counts what was allocated, touched or not; mapped files cost nothing.
    """
    if sys.platform == "linux":
        limit = _allocated() + budget.memory
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allocated() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))


def die_with(parent: int) -> None:
    """Be killed when the process that asked is: it cannot stop a reader that hangs once it is dead itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    main()
