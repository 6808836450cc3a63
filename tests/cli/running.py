"""Whole runs on the toy environment, in this process or in one of their own that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmark.cli.main import main
from tests.watching import seen

ROOT = Path(__file__).parents[2]


def run(home: Path, *arguments: str, verb: str = "run") -> int:
    return main([verb, "--envs", "toy", "--preset", "smoke", "--home", str(home), "--quiet", "machine.threads=1", *arguments])


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(home.glob("rollout/*/records.jsonl"))}


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.toy_main", "run", "--envs", "toy", "--preset", "smoke", "--home", str(home)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def kill_when_there_is(pattern: str, home: Path, *arguments: str) -> None:
    """Start a run and kill -9 it and its workers as soon as the store holds a file of this pattern."""
    process = start(home, *arguments)
    deadline = time.monotonic() + 120
    while not seen(home, pattern) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
