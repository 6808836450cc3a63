"""Errors that speak to a person: what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from enum import StrEnum


class BenchmarkError(Exception):
    """Something the user can fix. The command line prints the message without a traceback and exits 2."""


class UnknownName(BenchmarkError):
    """A name that nothing is registered under. Where too many are known to print, `listing` says where they stand."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = ""):
        known = sorted(known)
        super().__init__(f"unknown {kind} '{name}'{suggest(name, known)} Known: {listing or ', '.join(known) or 'none'}")


class Unavailable(BenchmarkError):
    """A component that cannot be built on this machine (weights, a package, a library), with the command that fixes it."""


class Corrupt(BenchmarkError):
    """A stored file whose content is not what its manifest says."""


class Unreadable(Corrupt):
    """One that this user may not read, or whose disk does not answer. It counts as absent, too, but nobody says that it is
    damaged."""


class Diverged(BenchmarkError):
    """A loss or a feature is NaN or infinite; the cell stops, the sweep goes on."""


class Lost(BenchmarkError):
    """A process that a stage needs was killed, which is none of the stage's doing: it may be tried again."""


class Memory(StrEnum):
    """Which memory was too small."""

    MACHINE = "machine"
    GPU = "gpu"


def lack_of_memory(error: BaseException) -> Memory | None:
    """Which memory was too small, if that is what an error says."""
    if (torch := sys.modules.get("torch")) is not None and isinstance(error, torch.OutOfMemoryError):
        return Memory.GPU
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):  # a RuntimeError of torch
        return Memory.MACHINE
    return None


def suggest(name: str, known: Iterable[str]) -> str:
    """How to end a sentence about an unknown name: `; did you mean dynamo?`, or a full stop."""
    letters = {known_name: _letters(known_name) for known_name in known}
    near = difflib.get_close_matches(_letters(name), list(letters.values()), n=3, cutoff=0.5)
    close = [known_name for one in dict.fromkeys(near) for known_name, same in letters.items() if same == one]
    return f"; did you mean {' or '.join(close)}?" if close else "."


def _letters(name: str) -> str:
    """However it is written: VQ-BeT is vqbet."""
    return "".join(filter(str.isalnum, name)).lower() or name
