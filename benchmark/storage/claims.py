"""Who is building what: one claim per artifact, so that runs on one store share the work instead of doing it twice.

A claim is a folder that a process makes elsewhere and renames into place, which one of several processes can do: no file system
replaces a folder that is not empty. It says which process made it and holds a counter that this process raises every few
seconds. Locks of the operating system are not used: some network file systems grant them to everybody.

A claim of a process that is gone can be taken over: at once where process numbers tell (this machine), otherwise when whoever
waits has seen the counter unchanged for `EXPIRES` of its own seconds, so that clocks need not agree. So is that of a process
that is there and silent: it may be suspended, or this store a copy of the one it works in. What that costs is work done twice:
an attempt builds in a folder of its own and the store publishes the first that is whole.
"""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json
from benchmark.storage.files import discard, entries, read_bytes, temporary_name
from benchmark.storage.processes import Process

BEAT = 5.0  # seconds between two signs of life
EXPIRES = 60.0  # seconds without one after which a process counts as gone: twelve that were missed
GLANCES = (0.05, 1.0)  # seconds between two looks at a claim of somebody else: at first, at last
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)  # what a rename to a folder that is not empty ends with
OWNER, COUNTER = "owner.json", "counter-"  # the counter's name is its owner's, so that nobody raises another's


class Claims:
    def __init__(self, folder: Path):
        self.folder = folder
        self._seen: dict[str, tuple[str, float, float]] = {}  # what a claim was like, for how long so far, at the last look

    @contextmanager
    def hold(self, kind: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the claim on an artifact; `waiting` is called once if another process has it, and may raise."""
        with ExitStack() as stack:
            pause, last = GLANCES
            if not stack.enter_context(self.try_hold(kind, key)):
                waiting()
                while not stack.enter_context(self.try_hold(kind, key)):
                    time.sleep(pause)
                    pause = min(2 * pause, last)
            yield

    @contextmanager
    def try_hold(self, kind: str, key: str) -> Iterator[bool]:
        """Whether the claim could be had at once; if so it is held while the block runs."""
        claim = self.folder / f"{kind}-{key}"
        name = self._take(claim)
        if name is None:
            yield False
            return
        ended = threading.Event()
        heart = threading.Thread(
            target=_beat, args=(claim / f"{COUNTER}{name}", ended), daemon=True, name=f"claim {claim.name}"
        )
        heart.start()
        try:
            yield True
        finally:
            ended.set()
            heart.join(BEAT)  # a file system that hangs is not waited for
            _remove(claim, name)

    def is_held(self, kind: str, key: str) -> bool:
        """By another process, or in another thread, as far as one can tell now."""
        claim = self.folder / f"{kind}-{key}"
        return claim.exists() and not self._is_abandoned(claim)

    def holder(self, kind: str, key: str) -> str:
        """Who that is, for people."""
        claim = self.folder / f"{kind}-{key}"
        owner, _ = _owner(claim)
        if owner is None and claim.exists():
            return f"its claim {claim} cannot be read, and ends when it has not changed for {EXPIRES:.0f} s"
        return f"process {owner.pid} on {owner.host} is building it" if owner else "another run was building it"

    def sweep(self, is_stored: Callable[[str, str], bool]) -> None:
        """Remove claims of dead processes of this machine, and everybody's on what is stored: nobody needs those."""
        for claim in entries(self.folder):
            owner, name = _owner(claim)
            kind, _, key = claim.name.partition("-")
            if not owner.runs() if owner and owner.is_here() else is_stored(kind, key):
                _remove(claim, name)

    def _take(self, claim: Path) -> str | None:
        """The name under which the claim is now this process's; None if it is another's."""
        if claim.exists():
            if not self._is_abandoned(claim):
                return None
            _remove(claim, _owner(claim)[1])
        fresh = temporary_name(claim)
        name = fresh.name.removeprefix(f".{claim.name}.")
        fresh.mkdir(parents=True)
        try:
            (fresh / OWNER).write_text(json.dumps({"name": name, "process": asdict(Process.current())}))
            (fresh / f"{COUNTER}{name}").write_text("0")
            fresh.rename(claim)
        except BaseException as error:
            discard(fresh)
            if isinstance(error, OSError) and (error.errno in TAKEN or claim.exists()):
                return None  # somebody was faster, and may have given it back since
            raise
        return name

    def _is_abandoned(self, claim: Path) -> bool:
        owner, _ = _owner(claim)
        if owner and owner.is_here() and not owner.runs():
            return True
        now, look = time.monotonic(), _look(claim)
        before, silence, last = self._seen.get(claim.name, ("", 0.0, now))
        silence = silence + min(now - last, BEAT) if look == before else 0.0  # both may have been suspended between two looks
        self._seen[claim.name] = look, silence, now
        return silence >= EXPIRES


def _owner(claim: Path) -> tuple[Process | None, str]:
    """The process that holds a claim and under which name; nobody if that cannot be read."""
    try:
        text = json.loads(read_bytes(claim / OWNER))
        return from_json(Process, text["process"]), str(text["name"])
    except (OSError, ValueError, RecursionError, TypeError, LookupError, BenchmarkError):
        return None, ""


def _look(claim: Path) -> str:
    """What there is to see of a claim: it changes when its counter does."""
    seen = []
    for path in entries(claim) or [claim]:
        with suppress(OSError):
            seen.append(f"{path.name} {path.read_bytes()!r}")
    return "\n".join(seen)


def _remove(claim: Path, name: str) -> None:
    """Remove the claim held under a name. It is moved away first, so that it goes as a whole; another's is put back."""
    moved = temporary_name(claim)
    with suppress(OSError):
        claim.rename(moved)
        if _owner(moved)[1] != name:
            moved.rename(claim)
            return
    with suppress(OSError):
        discard(moved)


def _beat(counter: Path, ended: threading.Event) -> None:
    """Raise the counter until the claim is given back, or somebody has taken it over."""
    number = 0
    while not ended.wait(BEAT):
        number += 1
        try:
            with counter.open("r+") as file:  # never creates one
                file.write(str(number))
        except FileNotFoundError:
            return
        except OSError:
            continue  # a full disk or a network that stutters: the next beat may come through
