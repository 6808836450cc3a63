#!/usr/bin/env python3
"""Are the tests awake? Puts one fault at a time into a copy of the code and runs the one test that has to fail.

    python scripts/mutants.py                     all faults; exit 1 unless every one is caught
    python scripts/mutants.py --only held         those whose name or file contains a word
    python scripts/mutants.py --list              what there is
    python scripts/mutants.py --jobs 2            so many at once

First all named tests run without a fault: a test that fails anyway catches nothing. `tests/test_mutants.py` keeps the list true
to the code; who changes a line that stands here changes it here, too.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from faults import FAULTS, Fault
from forks import forked

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("benchmark", "methods", "policies", "envs", "scripts", "tests", "pyproject.toml")
OTHERS = ("torch", "torchvision", "timm", "lightly.models", "hydra", "pandas", "scipy.stats", "matplotlib.pyplot", "pytest")
TIMEOUT = 300.0  # seconds after which tests count as hanging, which is not how a fault is caught
SURVIVED, CAUGHT, NOT_FOUND, HANGS = 0, 1, 100, 101  # exit codes; the first two are those of pytest
WORDS = {SURVIVED: "SURVIVED", CAUGHT: "caught", NOT_FOUND: "fragment not found", HANGS: "hangs"}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the faults and their tests")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name or file contains this")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="faults tried at once (default: 2)")
    options = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if options.only in fault.name or options.only in fault.file]
    width = max((len(fault.name) for fault in faults), default=0)
    if options.list or not faults:
        for fault in faults:
            print(f"{fault.name:{width}}  {fault.test}")
        return 0 if faults else 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        return _try(faults, Path(name), options.jobs, width)


def _try(faults: Sequence[Fault], folder: Path, jobs: int, width: int) -> int:
    prepare()
    named = sorted({fault.test for fault in faults})
    halves = [named[part::jobs] for part in range(min(jobs, len(named)))]
    for part, code in apart([partial(without_fault, half, folder) for half in halves], folder, jobs):
        if code != 0:
            print(f"{(folder / f'{part}.txt').read_text()[-4000:]}\nfails without any fault")
            return 1
    codes = []
    for number, code in apart([partial(attempt, fault, folder) for fault in faults], folder, jobs):
        code = CAUGHT if code == -signal.SIGSEGV else code  # pytest is gone with its interpreter: no suite passes then
        codes.append(code)
        print(f"{WORDS.get(code, f'error {code}'):18}  {faults[number].name:{width}}  {faults[number].test}", flush=True)
    print(f"{codes.count(CAUGHT)} of {len(faults)} caught")
    return 0 if set(codes) == {CAUGHT} else 1


def attempt(fault: Fault, folder: Path) -> int:
    """The exit code of the named test on a copy with the fault."""
    copy = copied(folder)
    path = (copy / fault.file).resolve()
    ours = path.is_file() and path.is_relative_to(copy.resolve())  # what a link leads to is not a copy
    text = path.read_text() if ours else ""
    if text.count(fault.before) != 1:
        return NOT_FOUND
    path.write_text(text.replace(fault.before, fault.after))
    return run_tests(copy, [fault.test])


def without_fault(tests: Sequence[str], folder: Path) -> int:
    return run_tests(copied(folder), tests)


def prepare() -> None:
    """Import once what is not under test: seven of the eight seconds that a short test takes. Each attempt is a fork."""
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for name in OTHERS:
        importlib.import_module(name)


def copied(folder: Path) -> Path:
    """A copy of the code and its tests, without compiled files: Python tells a changed source by whole seconds only."""
    copy = Path(tempfile.mkdtemp(dir=folder))
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    (copy / "results").symlink_to(ROOT / "results")  # where a link of the package leads
    return copy


def run_tests(copy: Path, tests: Sequence[str]) -> int:
    """In this process, which therefore has to be one of its own: it imports the code of the copy."""
    pytest = importlib.import_module("pytest")
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)]))


def grouped(call: Callable[[], int]) -> int:
    """A group of its own, so that what a test starts ends with it."""
    os.setsid()
    return call()


def apart(calls: Sequence[Callable[[], int]], folder: Path, jobs: int) -> Iterator[tuple[int, int]]:
    """Each call in a fork, so many at once: its number and its exit code as it ends. What it prints goes to `<number>.txt`."""
    running: dict[int, tuple[int, float]] = {}  # process -> number, deadline
    waiting = list(enumerate(calls))[::-1]
    while waiting or running:
        while waiting and len(running) < jobs:
            number, call = waiting.pop()
            process = forked(partial(grouped, call), folder / f"{number}.txt")
            running[process] = (number, time.monotonic() + TIMEOUT)
        time.sleep(0.05)
        for process, (number, deadline) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            late = not ended and time.monotonic() > deadline
            if late:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
            if ended or late:
                del running[process]
                yield number, HANGS if late else os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    raise SystemExit(main())
