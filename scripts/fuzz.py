#!/usr/bin/env python3
"""Damaged files, many of them: does anything end in a traceback, hang, take more than 1 GB or change a record silently?

    python scripts/fuzz.py                  2 400 inputs; exit 1 if one of them breaks the promise
    python scripts/fuzz.py --cases 100 --seed 7
    python scripts/fuzz.py --only lerobot   one part of the corpus

Each input is a small data set, a recording of a store, or an export, damaged by `tests/datasets/mutate.py`, or one of the files
of `tests/datasets/bombs.py` in full size. Each is read by a fork of this process, which is what a reader's process is once it
has started, under the same limits. Then there are stores of ours: one that is done, with a damaged manifest or note, and others
whose run was stopped, with a damaged checkpoint or episode. There the verbs that read have to say so, and the same run has to
end in the same records.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ |= {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}

import crash_points  # noqa: E402
from forks import forked  # noqa: E402

from benchmark.cli.main import main as benchmark  # noqa: E402
from benchmark.core.progress import Task  # noqa: E402
from benchmark.datasets.child import hold_to, serve  # noqa: E402
from benchmark.datasets.recordings import import_recording  # noqa: E402
from benchmark.datasets.wire import pack  # noqa: E402
from benchmark.results.bundle import Results  # noqa: E402
from benchmark.results.export import export  # noqa: E402
from benchmark.storage.artifacts import Store  # noqa: E402
from tests.datasets import bombs, builders  # noqa: E402
from tests.datasets.mutate import mutate  # noqa: E402
from tests.fake_results import make  # noqa: E402

MOST = 2**30  # bytes of memory, 400 MB of code and its data among them
PATIENCE = 60.0  # seconds
BOMB = 2**29  # bytes, more than a reader of small files may have
LIMITS = {"memory": None, "seconds": None}
PAGES = 16  # of so many exports one is drawn as a page, which takes seconds
TAKEN, REFUSED, BROKEN = 0, 2, 70  # exit codes of a fork


@dataclass(frozen=True)
class Outcome:
    """How the reading of one input ended: taken, refused, traceback, died or hangs."""

    kind: str
    bytes: int  # of memory
    seconds: float
    told: str


def read(root: Path) -> int:
    """As a reader's process does."""
    request = io.BytesIO(pack({"path": str(root), "format": "auto", "limits": LIMITS}) + pack({"start": 0, "side": None}))
    out = _Last()
    serve(request, out, hold_to)  # type: ignore[arg-type]
    if b'"kind": "error"' in out.message:
        print(json.loads(out.message[8:])["text"], file=sys.stderr)
        return REFUSED
    return TAKEN


class _Last:
    """Keeps the last message that was written."""

    message = b""

    def write(self, data: memoryview) -> int:
        self.message = bytes(data[: 2**16])
        return len(data)


def verbs(*commands: list[str]) -> int:
    """As the command line does."""
    return max(benchmark(words) for words in commands)


def apart(work: Callable[[], int], patience: float = PATIENCE) -> Outcome:
    begun, (reading, writing) = time.monotonic(), os.pipe()
    pid = os.fork()
    if not pid:
        os._exit(_inner(work, writing))
    os.close(writing)
    while (found := os.wait4(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() - begun > patience:
            os.kill(pid, signal.SIGKILL)
            os.wait4(pid, 0)
            os.close(reading)
            return Outcome("hangs", 0, patience, "")
        time.sleep(0.002)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(found[1])
    kind = {TAKEN: "taken", REFUSED: "refused", BROKEN: "traceback"}.get(code, "died")
    if kind == "refused" and (not told.strip() or "Traceback" in told):
        kind = "traceback"
    return Outcome(kind, found[2].ru_maxrss * 1024, time.monotonic() - begun, told)


def _inner(work: Callable[[], int], writing: int) -> int:
    told = io.StringIO()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(told):
            code = work()
    except BaseException:
        told.write(traceback.format_exc())
        code = BROKEN
    os.write(writing, told.getvalue()[-4000:].encode(errors="replace"))
    return code


@dataclass(frozen=True)
class Part:
    """What is copied and damaged, what reads the copy, and which of its files are damaged."""

    path: Path
    reads: Callable[[Path], int]
    files: str = "**/*"


def corpus(root: Path) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for build in builders.BUILDERS:
        parts[build.__name__] = Part(build(root / build.__name__).path, read)
    store = Store(root / "recordings").prepare()
    import_recording(store, parts["folder_of_images"].path, "mine", Task())
    parts["recordings"] = Part(store.root, _recording)
    git = {"git": {"commit": "a" * 40, "dirty": False}}
    request = {"methods": ["all"], "envs": ["kitchen"], "policies": ["mlp"], "overrides": [], "preset": "quick", "seeds": 2}
    known = {"request": request, "cells": [], "stages": {}, "provenance": [git]}
    export(Results(*make(seeds=2, episodes=3), provenance=known), root / "exports")
    parts["exports"] = Part(root / "exports", _exported)
    return {**parts, **stores(root)}


def stores(root: Path) -> dict[str, Part]:
    """A run that is done, and the same one when it was stopped in a stage."""
    crash_points.prepare(crash_points.COMMAND)
    whole, copies = root / "whole", root / "copies"
    watched = partial(crash_points.watched_run, whole, copies)
    _, status = os.waitpid(forked(watched, root / "whole.txt", crash_points.TIMEOUT), 0)
    assert status == 0, (root / "whole.txt").read_text()
    again = partial(_goes_on, crash_points.records(whole))
    parts = {"stores": Part(whole, again, "**/*.json")}
    for kind in ("demos", "pretrain", "fit"):
        work = f"building/{kind}-*/*/work/**/*"
        stopped = [copy / "killed" for copy in sorted(copies.iterdir()) if any((copy / "killed").glob(work))]
        parts[f"stopped {kind}"] = Part(stopped[-1], again, work)
    return parts


def _goes_on(whole: dict[str, bytes], home: Path) -> int:
    looks = (["table", "main"], ["results", "ls"], ["results", "verify"])
    said = [benchmark([*words, "--home", str(home), "--quiet"]) for words in looks]
    assert max(said) <= REFUSED, said
    if set(said) == {REFUSED}:  # a store of another version
        return REFUSED
    code = crash_points.go_on(crash_points.COMMAND, home)
    assert code == 0, code
    assert crash_points.records(home) == whole, "other records"
    return TAKEN


def _recording(home: Path) -> int:
    return verbs(*(["data", verb, "mine", "--home", str(home)] for verb in ("inspect", "verify")))


def _exported(folder: Path) -> int:
    flags, page = ["--records", str(folder), "--home", str(folder / "home")], str(folder / "page.html")
    drawn = [["report", "--output", page, *flags]] if int(folder.name) % PAGES == 0 else []
    return verbs(["table", "main", *flags], *drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--no-bombs", action="store_true")
    options = parser.parse_args()
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    outcomes: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, suppress(KeyboardInterrupt):  # then it tells what it has
        tried(Path(name), options, outcomes)
    return figures(outcomes)


def tried(root: Path, options: argparse.Namespace, outcomes: dict[str, list[Outcome]]) -> None:
    parts = {name: part for name, part in corpus(root / "corpus").items() if options.only in name}
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all that this process holds
    for bomb in () if options.no_bombs or options.only else (*bombs.DECLARED, *bombs.UNDECLARED):
        note(outcomes.setdefault("bombs", []), _bomb(bomb, root / "bomb"), f"bomb {bomb.__name__}")
        shutil.rmtree(root / "bomb")
    for case in range(options.cases):
        part = list(parts)[case % len(parts)]
        rng, copy = random.Random(f"{options.seed} {part} {case}"), root / "cases" / str(case)
        shutil.copytree(parts[part].path, copy, symlinks=True)
        done = mutate(copy, rng, parts[part].files)
        note(outcomes.setdefault(part, []), apart(partial(parts[part].reads, copy)), f"{part} {case}: {done}")
        shutil.rmtree(copy)


def _bomb(bomb: Callable[[Path, int], Path], root: Path) -> Outcome:
    """It is made in a fork as well: what making one takes is not kept here."""

    def make_it() -> int:
        bomb(root, BOMB)
        return TAKEN

    made = apart(make_it, 10 * PATIENCE)
    return apart(partial(read, root)) if made.kind == "taken" else made


def note(of_part: list[Outcome], outcome: Outcome, case: str) -> None:
    of_part.append(outcome)
    if outcome.kind in ("traceback", "hangs", "died") or outcome.bytes > MOST:
        last = "\n    ".join(outcome.told.strip().splitlines()[-12:])
        print(f"{outcome.kind}, {outcome.bytes / 2**20:.0f} MB: {case}\n    {last}", flush=True)


def figures(outcomes: dict[str, list[Outcome]]) -> int:
    names = ("taken", "refused", "died", "traceback", "hangs")
    print(f"| files | inputs | {' | '.join(names)} | memory, MB | longest, s |\n|---|{'---:|' * (len(names) + 3)}")
    whole = [outcome for of_part in outcomes.values() for outcome in of_part]
    for part, of_part in [*outcomes.items(), ("all", whole)]:
        counts = Counter(outcome.kind for outcome in of_part)
        most, longest = max(o.bytes for o in of_part) / 2**20, max(o.seconds for o in of_part)
        shown = " | ".join(str(counts[name]) for name in names)
        print(f"| {part} | {len(of_part)} | {shown} | {most:.0f} | {longest:.1f} |")
    return int(any(o.kind in ("traceback", "hangs") or o.bytes > MOST for o in whole))


if __name__ == "__main__":
    sys.exit(main())
