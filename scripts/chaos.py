#!/usr/bin/env python3
"""Several runners on one store under random `kill -9` of workers and of whole runners, restarted until the plan is done.

    .venv/bin/python scripts/chaos.py                       24 cells, three runners, at least 100 kills: some minutes
    .venv/bin/python scripts/chaos.py --cells 4 --kills 3   as in the test suite
    .venv/bin/python scripts/chaos.py --spawn               workers import everything anew, as they do in a run

Then the records are those of an undisturbed run, no artifact was ever there in part or made twice, and no process and no
temporary file is left; anything else is an error. Runners and their workers are forked from this process, which has imported
everything: a kill costs no import, so there can be many.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmark import registry  # noqa: E402
from benchmark.cli.main import main as benchmark  # noqa: E402
from benchmark.launch import drive, local  # noqa: E402
from benchmark.storage.artifacts import KINDS, MANIFEST, Store  # noqa: E402
from benchmark.storage.files import entries  # noqa: E402
from tests.toy import Toy  # noqa: E402
from tests.watching import lives  # noqa: E402

RUNNERS = 3
PAUSE = 1.0  # seconds between a sign of work and the next kill, at most
SIGN = 30.0  # seconds until a kill without one: it hits a plan, or a runner that waits for another
PATIENCE = 60.0  # seconds after which a worker of a dead runner is left behind; it takes less than one
AT_WORKERS = 0.75  # of the kills
SETTINGS = (
    *("pretrain.steps=30", "pretrain.checkpoint_every=5", "fit.steps=60", "fit.checkpoint_every=10", "rollout.episodes=4"),
    # simulators live in the process of their stage: one that is killed alone is played again, which is another test
    *("machine.threads=1", "machine.workers=0"),
)


@dataclass
class Watch:
    """What is seen of a store while others work on it."""

    store: Store
    artifacts: dict[tuple[str, str], int] = field(default_factory=dict)  # -> the inode of its manifest
    signs: frozenset[tuple[str, int]] = frozenset()

    def wait(self) -> None:
        """Until a stage has begun, gone on or ended since the last time."""
        deadline = time.monotonic() + SIGN
        while (signs := self._signs()) == self.signs and time.monotonic() < deadline:
            time.sleep(0.02)
        self.signs = signs

    def _signs(self) -> frozenset[tuple[str, int]]:
        attempts = (attempt for key in entries(self.store.root / "building") for attempt in entries(key))
        building = (folder for attempt in attempts for folder in entries(attempt))
        stages = (folder for kind in KINDS for folder in entries(self.store.root / kind))
        signs = set()
        for path in (*building, *stages):
            with contextlib.suppress(FileNotFoundError):
                signs.add((str(path), path.stat().st_mtime_ns))
        return frozenset(signs)

    def look(self) -> None:
        for kind in KINDS:
            for folder in entries(self.store.root / kind):
                manifest = folder / MANIFEST
                assert manifest.is_file(), f"{folder} was there without a manifest"
                inode, name = manifest.stat().st_ino, (kind, folder.name)
                if name not in self.artifacts:
                    Store(self.store.root).verify(*name)  # every file, as its manifest says
                assert self.artifacts.setdefault(name, inode) == inode, f"{kind} {folder.name} was made twice"


def arguments(home: Path, cells: int) -> list[str]:
    matrix = ("--methods", "random,byol", "--policies", "knn,mlp", "--seeds", str(max(1, cells // 4)), "--preset", "smoke")
    return ["run", *matrix, "--envs", "toy", "--home", str(home), "--quiet", *SETTINGS]


def start(command: list[str], log: Path) -> int:
    """A forked process that runs a command line."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = benchmark(command)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def workers_of(runner: int) -> list[psutil.Process]:
    try:
        return psutil.Process(runner).children()
    except psutil.NoSuchProcess:
        return []


def ended(pid: int) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def torment(home: Path, cells: int, kills: int, log: Path, rng: random.Random) -> Counter[str]:
    """Until the plan is done after enough kills; if it is done before, some artifacts are taken away."""
    watch, killed = Watch(Store(home).prepare()), Counter[str]()
    runners = dict.fromkeys(range(RUNNERS), 0)
    commands = {number: [*arguments(home, cells), f"machine.cores={1 + number}"] for number in runners}
    complete: set[int] = set()
    seen: list[psutil.Process] = []
    while len(complete) < RUNNERS:
        for number in runners.keys() - complete:
            if not runners[number]:
                runners[number] = start(commands[number], log)
            elif (code := ended(runners[number])) is not None:
                runners[number] = 0
                if code == 0 and killed.total() >= kills:
                    complete.add(number)
                elif code == 0:
                    forget_some(watch, rng)
        watch.wait()
        time.sleep(rng.uniform(0.0, PAUSE))
        watch.look()
        alive = [pid for pid in runners.values() if pid]
        workers = [worker for pid in alive for worker in workers_of(pid)]
        seen += workers
        if alive and killed.total() < kills:
            kind = "workers" if workers and rng.random() < AT_WORKERS else "runners"
            victim = rng.choice([one.pid for one in workers] if kind == "workers" else alive)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed[kind] += 1
    left = [one for one in psutil.wait_procs(seen, timeout=PATIENCE)[1] if lives(one)]
    assert not left, f"left behind: {left}"
    return killed


def forget_some(watch: Watch, rng: random.Random) -> None:
    """Take some results away, so that there is work left for what is still to be killed."""
    kinds = rng.sample(("pretrain", "fit", "rollout", "embed", "probe"), 3)
    for kind, key in [name for name in watch.artifacts if name[0] in kinds and rng.random() < 0.7]:
        away = watch.store.root / "building" / f".{kind}-{key}"
        with contextlib.suppress(FileNotFoundError):
            watch.store.folder(kind, key).rename(away)
            shutil.rmtree(away)
        del watch.artifacts[kind, key]


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in home.glob("rollout/*/records.jsonl")}


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spawn", action="store_true")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    registry.envs().add(Toy)
    drive.GLANCE = 0.2
    if not options.spawn:
        local.CONTEXT = multiprocessing.get_context("fork")  # type: ignore[assignment]
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        log = folder / "log"
        whole = start([*arguments(folder / "whole", options.cells), "machine.cores=1"], log)
        assert os.waitstatus_to_exitcode(os.waitpid(whole, 0)[1]) == 0, log.read_text()
        killed = torment(folder / "home", options.cells, options.kills, log, random.Random(options.seed))
        expected = records(folder / "whole")
        assert records(folder / "home") == expected, "other records"
        left = [path for path in (folder / "home").rglob("*") if path.name.startswith(".") or path.parent.name == "building"]
        assert not left, f"left behind: {left}"
    print(
        f"{len(expected)} cells survived {killed.total()} kills ({killed['workers']} workers, {killed['runners']} runners) in "
        f"{time.monotonic() - since:.0f} s: records identical, nothing made twice, nothing left"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
