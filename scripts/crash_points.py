#!/usr/bin/env python3
"""Does a run go on from wherever it was stopped? Stops a small one at every point and runs the same command again.

    python scripts/crash_points.py                    every point; exit 1 unless all end in the records of an undisturbed run
    python scripts/crash_points.py --points 12        so many, spread evenly
    python scripts/crash_points.py --jobs 2           so many at once

A point is a moment before the run opens a file of its store for writing, flushes, renames or removes one, or makes or removes
a folder. The run is watched once; at each point its store is copied as it is on the disk then, which is what a killed process
leaves. Each copy is tried twice: as it is (`killed`), and as a power cut may leave it (`power`): what was not flushed is cut in
half, emptied or full of zeros. Then the same command has to end with exit code 0, the same records, no traceback, and nothing
left but what it names. Copies that do not differ are tried once.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from forks import forked  # noqa: E402

os.environ.setdefault("OMP_NUM_THREADS", "1")

COMMAND = (
    *("run", "--methods", "byol", "--envs", "toy", "--policies", "mlp", "--preset", "smoke", "--quiet"),
    *("machine.threads=1", "machine.workers=0", "method.byol.width=8", "pretrain.steps=4", "pretrain.checkpoint_every=2"),
    *("method.byol.batch_size=8", "fit.steps=6", "fit.checkpoint_every=2", "rollout.episodes=2", "rollout.slots=2"),
)
IMPORTED = (
    *("benchmark.cli.main", "benchmark.cli.run", "benchmark.cli.forecast", "benchmark.cli.selection", "benchmark.cli.watch"),
    *(
        "benchmark.launch.local",
        "benchmark.methods.byol",
        "benchmark.policies.mlp",
        "benchmark.policies.knn",
        "benchmark.report.render",
        "tests.toy",
    ),
    *("benchmark.stages.demos", "benchmark.stages.pretrain", "benchmark.stages.embed", "benchmark.stages.probe"),
    *("benchmark.stages.tokenize", "benchmark.stages.fit", "benchmark.stages.rollout", "benchmark.report.tables.main"),
)
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TIMEOUT = 600  # seconds after which a run counts as stuck
DAMAGES: tuple[Callable[[bytes], bytes], ...] = (lambda b: b[: len(b) // 2], lambda b: b"", lambda b: bytes(len(b)))
Stamp = tuple[int, int, int]


class Camera:
    """Copies a store at every point of the run in this process."""

    def __init__(self, home: Path, copies: Path):
        self.home, self.copies = home, copies
        self._flushed: set[Stamp] = set()
        self._points = 0
        self._busy = False

    def start(self) -> None:
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.is_relative_to(self.home):
                self._take("fsync", path)
            fsync(descriptor)
            if path.is_file():
                self._flushed.add(stamp(path))

        os.fsync = watched  # type: ignore[assignment]
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy or not (event in CHANGES or (event == "open" and _writes(arguments))):
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            path = Path(os.fsdecode(arguments[0]))
            folder = arguments[-1] if event != "open" else -1
            if not path.is_absolute():
                path = Path(os.readlink(f"/proc/self/fd/{folder}") if folder not in (-1, None) else Path.cwd(), path)
            if path.is_relative_to(self.home):
                self._take(event.removeprefix("os."), path)

    def _take(self, event: str, path: Path) -> None:
        self._busy = True
        name = f"{self._points:04d} {event} {str(path.relative_to(self.home)).replace('/', '|')[:80]}"
        shutil.copytree(self.home, self.copies / name / "killed", symlinks=True)
        shutil.copytree(self.home, self.copies / name / "power", symlinks=True)
        for file in (file for file in self.home.rglob("*") if file.is_file() and stamp(file) not in self._flushed):
            copy = self.copies / name / "power" / file.relative_to(self.home)
            copy.write_bytes(DAMAGES[self._points % len(DAMAGES)](copy.read_bytes()))
        self._points += 1
        self._busy = False


def _writes(arguments: tuple[Any, ...]) -> bool:
    return isinstance(arguments[2], int) and bool(arguments[2] & WRITING)


def stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def prepare(arguments: Sequence[str]) -> None:
    """Import and plan once, before runs of a command are forked: most of the seconds that a short one takes."""
    for module in IMPORTED:
        importlib.import_module(module)
    from benchmark import registry
    from benchmark.cli.main import parse
    from benchmark.cli.selection import request
    from benchmark.planning import paper, recipes
    from tests.toy import Toy

    registry.envs().add(Toy)
    composed: dict[str, Any] = {}
    compose = recipes.compose_config

    def remembered(*arguments: Any, **more: Any) -> Any:
        key = repr((arguments, more))
        if key not in composed:
            composed[key] = compose(*arguments, **more)
        return composed[key]

    recipes.compose_config = paper.compose_config = remembered
    paper.paper_configs(recipes.make_plan(request(parse(arguments))))


def go_on(arguments: Sequence[str], home: Path) -> int:
    """A command on a store, in this process."""
    from benchmark.cli.main import main as command
    from benchmark.storage import claims

    claims.EXPIRES, claims.GLANCES = 1.0, (0.02, 0.2)
    return command([*arguments, "--home", str(home)])


def watched_run(home: Path, copies: Path) -> int:
    home.mkdir()
    Camera(home, copies).start()
    return go_on(COMMAND, home)


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(home.glob("rollout/*/records.jsonl"))}


def digest(home: Path) -> str:
    """Of all that is in a store."""
    files = sorted(home.rglob("*"))
    content = [(str(path.relative_to(home)), path.read_bytes() if path.is_file() else None) for path in files]
    return hashlib.sha256(repr(content).encode()).hexdigest()


def verdict(home: Path, whole: dict[str, bytes], power: bool, code: int, said: str) -> str:
    """What is wrong after the command has gone on; nothing if all is well. Quarantine keeps what a power cut has damaged."""
    if code == -signal.SIGALRM:
        return "stuck"
    if "Traceback" in said:
        return "traceback"
    if code != 0:
        return f"exit code {code}"
    if records(home) != whole:
        return "other records"
    litter = [path for path in left_over(home) if not (power and path.is_relative_to(home / "quarantine"))]
    return f"left {litter[0].relative_to(home)}" if litter else ""


def left_over(home: Path) -> list[Path]:
    """What a store holds besides results when all is done."""
    rooms = [path for room in ("building", "claims", "quarantine", "failures") for path in (home / room).iterdir()]
    return [*rooms, *(path for path in home.rglob("*") if path.name.endswith((".tmp", ".part")))]


def attempt(folder: Path, points: int | None, jobs: int) -> Counter[str]:
    prepare(COMMAND)
    _, status = os.waitpid(forked(partial(watched_run, folder / "whole", folder / "copies"), folder / "whole.txt", TIMEOUT), 0)
    if status:
        raise SystemExit((folder / "whole.txt").read_text())
    whole = records(folder / "whole")
    taken = sorted((folder / "copies").iterdir())
    chosen = taken if points is None else [taken[round(i * (len(taken) - 1) / (points - 1))] for i in range(points)]
    states = {digest(copy / how): copy / how for copy in chosen for how in ("killed", "power")}
    waiting = list(states.values())[::-1]
    running: dict[int, Path] = {}
    processor = 0.0
    outcomes: Counter[str] = Counter(points=len(chosen), states=2 * len(chosen), tried=len(waiting))
    while waiting or running:
        while waiting and len(running) < jobs:
            home = waiting.pop()
            running[forked(partial(go_on, COMMAND, home), home.with_suffix(".txt"), TIMEOUT)] = home
        process, status, usage = os.wait4(-1, 0)
        processor += usage.ru_utime + usage.ru_stime
        home = running.pop(process)
        said = home.with_suffix(".txt").read_text()
        wrong = verdict(home, whole, home.name == "power", os.waitstatus_to_exitcode(status), said)
        outcomes["failed" if wrong else "went on"] += 1
        outcomes["damage named"] += "damaged" in said or "corrupt" in said
        if wrong:
            print(f"{home.parent.name}, {home.name}: {wrong}\n{said[-3000:]}", flush=True)
        shutil.rmtree(home)
    outcomes["seconds"] = round(processor)
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, metavar="N", help="how many, at least 2 (default: all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at once (default: 1)")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-points-") as name:
        outcomes = attempt(Path(name), options.points, options.jobs)
    print(
        f"{outcomes['points']} points, {outcomes['states']} states, {outcomes['tried']} of them different: "
        f"{outcomes['went on']} went on to the same records, {outcomes['failed']} did not; "
        f"damage was named in {outcomes['damage named']}; "
        f"{time.monotonic() - start:.0f} s, {outcomes['seconds']} of a processor"
    )
    return 1 if outcomes["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
