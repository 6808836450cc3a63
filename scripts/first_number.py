#!/usr/bin/env python3
"""How long it takes from `git clone` to the first number and to the first table, in a fresh clone with a fresh environment.

    python3 scripts/first_number.py                 clone this checkout's last commit and run the README's first command there
    python3 scripts/first_number.py --source URL    clone from somewhere else

Writes results/measured/first_number.json, from which `scripts/regenerate.py` makes the README's sentence. Run it on a machine
that does nothing else: the load at the beginning is part of the record. What pip has in its cache is not downloaded again;
`PIP_NO_CACHE_DIR=1` measures with the download.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "results" / "measured" / "first_number.json"
COMMAND = ("python3", "scripts/bootstrap.py", "run", "--quick-look")  # the README's first
STAMP = ".venv/installed"  # written by bootstrap when the environment is complete
NUMBER = re.compile(r"^\[1/\d+\] .*: -?\d")  # the line of the first cell: `[1/3] state · pusht · knn · seed 0: 0.12 of 1`


@dataclass(frozen=True)
class FirstNumber:
    """Seconds since `git clone` was typed, and where."""

    cloned: float
    installed: float
    number: float
    table: float
    cores: int
    load: float  # of the last minute, at the beginning
    python: str
    commit: str
    cached_packages: bool  # pip took what it had


def watch(command: Sequence[str], folder: Path, begin: float) -> tuple[float, float, float]:
    """Run it; seconds from `begin` until the environment was complete, the first number was printed, and the command ended."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BENCHMARK_HOME")}
    installed = number = None
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            stamp = folder / STAMP
            if installed is None and stamp.is_file():
                installed = stamp.stat().st_mtime - time.time() + time.monotonic() - begin
            if number is None and NUMBER.match(line):
                number = time.monotonic() - begin
    if process.returncode != 0 or installed is None or number is None:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode} and no first number")
    return installed, number, time.monotonic() - begin


def sentence(record: FirstNumber) -> str:
    """For the README."""
    without = "" if record.cached_packages else ", with the download"
    return (
        f"From `git clone` to the first number {_minutes(record.number)}, to the whole table {_minutes(record.table)}; "
        f"{_minutes(record.installed - record.cloned)} of it is installing{without} (measured on {record.cores} cores)."
    )


def _minutes(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < 60 else f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=str(ROOT), help="what to clone (default: this checkout)")
    options = parser.parse_args(arguments)
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="first-number-") as name:
        folder, begin = Path(name) / "clone", time.monotonic()
        subprocess.run(["git", "clone", "--quiet", options.source, folder], check=True)
        cloned = time.monotonic() - begin
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True).stdout
        installed, number, table = watch(COMMAND, folder, begin)
    record = FirstNumber(
        cloned=round(cloned, 1),
        installed=round(installed, 1),
        number=round(number, 1),
        table=round(table, 1),
        cores=cores,
        load=round(load, 2),
        python=".".join(map(str, sys.version_info[:3])),
        commit=commit.strip(),
        cached_packages=not os.environ.get("PIP_NO_CACHE_DIR"),
    )
    RECORD.write_text(json.dumps(asdict(record), indent=1) + "\n")
    print(sentence(record))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
