"""What SLURM says of jobs. `squeue` knows who lives, `sacct` how the others ended; a cluster may have no accounting."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Collection, Sequence

from benchmark.core.errors import BenchmarkError, Memory
from benchmark.launch.base import End, Ending
from benchmark.launch.task import END_OF
from benchmark.planning.graph import Stage
from benchmark.storage.artifacts import Store

CHUNK = 500  # jobs in one question: a command line has an end

# How jobs end that nobody but the cluster ended (slurm.schedmd.com/squeue.html, "job state codes")
ENDS = {
    "NODE_FAIL": (End.LOST, "its node failed"),
    "BOOT_FAIL": (End.LOST, "its node did not start"),
    "PREEMPTED": (End.LOST, "it was preempted and the cluster did not queue it again"),
    "TIMEOUT": (End.LOST, "it ran out of its minutes before it could be queued again (resources.KIND.minutes)"),
    "DEADLINE": (End.LOST, "it met a deadline of the cluster"),
    "REVOKED": (End.LOST, "a sister of the cluster took it"),
    "OUT_OF_MEMORY": (End.MEMORY, "out of memory (resources.KIND.memory)"),
    "CANCELLED": (End.STOPPED, "it was cancelled"),
}
FINAL = {*ENDS, "COMPLETED", "FAILED"}  # in the last two the program ended by itself: the store says how


def alive() -> dict[str, str]:
    """Of every job of ours that is queued or runs: 101 or 101_7 -> its state."""
    lines = _ask(["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i|%T"])
    return dict(line.split("|", 1) for line in lines)


def ended(jobs: Collection[str]) -> dict[str, str]:
    """How jobs ended that are in the queue no more. Of one that accounting does not know (yet), nothing."""
    if shutil.which("sacct") is None:
        return dict.fromkeys(jobs, "UNKNOWN")
    states: dict[str, str] = {}
    names = sorted(jobs)
    for first in range(0, len(names), CHUNK):
        some = ",".join(names[first : first + CHUNK])
        for line in _ask(["sacct", "--noheader", "--parsable2", "--allocations", "--format", "JobID,State", "--jobs", some]):
            job, state = line.split("|")[:2]
            states[job] = state.split()[0]  # `CANCELLED by 1000`
    return {job: state for job, state in states.items() if job in names}


def cancel(jobs: Sequence[str]) -> None:
    for first in range(0, len(jobs), CHUNK):
        _ask(["scancel", *jobs[first : first + CHUNK]])


def ending(stage: Stage, state: str, store: Store) -> Ending:
    """What the state of a job that is gone means for its stage, whose artifact is not there."""
    if state in ENDS:
        return Ending(stage.key, *ENDS[state])
    if failure := store.failure(stage.key):
        return Ending(stage.key, END_OF[Memory(failure.memory)] if failure.memory else End.FAILED, failure.error)
    if not all(store.has(ref.kind, ref.key) for ref in stage.inputs.values()):
        return Ending(stage.key, End.TAKEN)  # what it builds on was lost: it waits for the next attempt
    return Ending(stage.key, End.LOST, f"its job ended without a result ({state})")


def _ask(command: Sequence[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    except FileNotFoundError as error:
        raise BenchmarkError(f"`{command[0]}` is not here: --launcher slurm is for the login node of a cluster") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        text = (error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else "no answer"
        raise BenchmarkError(f"`{command[0]}` failed: {str(text).strip()}") from error
    return [line.strip() for line in done.stdout.splitlines() if "|" in line]
