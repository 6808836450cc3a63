"""Who wrote what is in a store: a process, told from every other one, and whether it still runs."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")
STARTED = (
    19  # the field of /proc/PID/stat after the name in which the kernel notes the start, in ticks since boot (proc(5), 22)
)
_numbers = itertools.count()


@dataclass(frozen=True)
class Process:
    """Process numbers are used again after a while and mean another process in another container, so a process is named by the
    place in which its number means something (a boot of a kernel and its process namespace) and by when it started."""

    host: str  # for people
    place: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> Process:
        return _current(os.getpid())

    @classmethod
    def of_token(cls, text: str) -> Process | None:
        """The process that made a token, or None if that is none."""
        parts = text.split("-")
        if len(parts) != 4 or not all(part.isdecimal() for part in parts[1:]):
            return None
        return cls("", parts[0], int(parts[1]), int(parts[2]))

    def is_here(self) -> bool:
        """Whether its number means something in this process."""
        return self.place == _place()

    def runs(self) -> bool:
        """Of one that is here: whether it still does."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            if not (PROC / str(self.pid) / "stat").exists():
                return True  # another user's, on a machine that hides those
        return self.started == _started(self.pid)


def token() -> str:
    """A name that no other process and no other call gives, and that says whose it is."""
    me = Process.current()
    return f"{me.place}-{me.pid}-{me.started}-{next(_numbers)}"


@cache
def _current(pid: int) -> Process:
    return Process(socket.gethostname(), _place(), pid, _started(pid) or 0)


@cache
def _place() -> str:
    try:
        boot, space = (PROC / "sys/kernel/random/boot_id").read_text().strip(), os.readlink(PROC / "self/ns/pid")
    except OSError:  # macOS, some sandboxes: after a boot a number is told by when its process started
        boot, space = "", socket.gethostname()
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:12]


def _started(pid: int) -> int | None:
    """When a process started; None if there is none of that number, or only what its parent has not asked after yet. On Linux
    in ticks, because seconds there follow a clock that may be set."""
    if not PROC.exists():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time())
        return None
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()  # its name may be cut
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[STARTED])
