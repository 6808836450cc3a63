"""What failed, why, and the command that tries only that again. The log of a stage is kept until the stage succeeds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.planning.graph import Stage
from benchmark.storage.artifacts import Store
from benchmark.storage.files import write_text

KEPT = 200  # lines of a log: a training that prints at every step must not fill the disk
SHOWN = 8


@dataclass(frozen=True)
class Failure:
    stage: Stage
    reason: str


def log_path(store: Store, key: str) -> Path:
    return store.root / "logs" / f"{key}.log"


def write_log(store: Store, key: str, text: str) -> None:
    path = log_path(store, key)
    path.parent.mkdir(exist_ok=True)
    write_text(path, "".join(f"{line}\n" for line in text.rstrip().splitlines()[-KEPT:]))


def forget_log(store: Store, key: str) -> None:
    log_path(store, key).unlink(missing_ok=True)


def worker_command(store: Store, key: str) -> str:
    """What executes a stage alone, as a shell reads it."""
    return f"python -m benchmark worker {key} --home {shlex.quote(str(store.root))}"


def description(failures: Sequence[Failure], store: Store) -> str:
    """All of them, in the order in which they happened, each with the end of its log."""
    parts = [f"{len(failures)} stage{'s' * (len(failures) != 1)} failed; the same command tries again, and for one alone:"]
    for failure in failures:
        path = log_path(store, failure.stage.key)
        lines = path.read_text(errors="replace").splitlines()[-SHOWN:] if path.is_file() else []
        parts.append(f"{failure.stage.label}: {failure.reason}")
        parts += [f"    | {line}" for line in lines]
        parts.append(f"    {worker_command(store, failure.stage.key)}")
    return "\n".join(parts)
