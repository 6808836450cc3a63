"""Whole runs on the toy environment, in this process or in one of their own that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmark.cli.main import main

ROOT = Path(__file__).parents[2]


def run(home: Path, *arguments: str, verb: str = "run") -> int:
    return main([verb, "--envs", "toy", "--preset", "smoke", "--home", str(home), "--quiet", "machine.threads=1", *arguments])


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(home.glob("rollout/*/records.jsonl"))}


def start(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.toy_main", "run", "--envs", "toy", "--preset", "smoke", "--home", str(home)]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def kill_when_there_is(pattern: str, home: Path, *arguments: str) -> None:
    """Start a run that ends by kill -9, with its workers, soon after its store gets something of this pattern."""
    process = start(home, *arguments, KILLED_AT=f"{home}/{pattern}")
    said = process.communicate(timeout=900)
    assert process.returncode == -signal.SIGKILL, said
