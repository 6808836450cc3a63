#!/usr/bin/env python3
"""Does a sweep survive being killed at random? Two runs share a store, and one of them, or a process of it, is killed again and
again; what is dead is started again with the same command.

    python scripts/random_kills.py                    100 kills; exit 1 unless sweeps end in the records of an undisturbed one
    python scripts/random_kills.py --kills 12         so many
    python scripts/random_kills.py --seconds 300      no more kills after so many seconds

A sweep has 24 cells; every second run executes its stages in worker processes. SIGKILL goes to the main process, its whole
group, a worker, a simulator or a server that forks simulators; SIGINT, SIGTERM and SIGHUP go to the main process or the group.
When a sweep is done there has to be nothing in its store but results, and no process of a run may outlive it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from crash_points import go_on, left_over, prepare, records
from forks import forked

COMMAND = (
    *("run", "--methods", "random,state", "--envs", "toy", "--policies", "knn,mlp", "--seeds", "6", "--preset", "smoke"),
    *("--quiet", "machine.threads=1", "machine.workers=2", "method.random.width=8", "fit.steps=4"),
    *("rollout.episodes=4", "rollout.slots=2"),
)
RUNNERS = 2
LONGEST = 4.0  # seconds between two kills, at most: a cell takes about one
STUCK = 900  # seconds after which a run counts as stuck: alone it takes half a minute
PATIENCE = 15.0  # seconds after which a process of a dead run is an orphan; it takes less than one
KILLS = (
    *(("main", signal.SIGKILL), ("group", signal.SIGKILL), ("worker", signal.SIGKILL)),
    *(("simulator", signal.SIGKILL), ("fork server", signal.SIGKILL)),
    *((whom, number) for whom in ("main", "group") for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
)


@dataclass
class Sweep:
    """Two runs on one store."""

    home: Path
    rng: random.Random
    outcomes: Counter[str]
    runners: dict[int, Path] = field(default_factory=dict)  # process -> what it said
    family: set[psutil.Process] = field(default_factory=set)
    started: int = 0

    def start(self) -> None:
        log = self.home.with_name(f"{self.home.name}-{self.started}.txt")
        self.runners[forked(partial(in_a_group, self.home, 1 + self.started % 2), log, STUCK)] = log
        self.started += 1

    def kill(self) -> None:
        """One process or group; if none of its role comes, none is counted."""
        whom, number = self.rng.choice(KILLS)
        runner = self.rng.choice(list(self.runners))
        targets = self.targets(runner, whom)
        if whom == "group":
            os.killpg(runner, number)
        elif whom == "main":
            os.kill(runner, number)
        elif targets:
            self.rng.choice(targets).send_signal(number)
        else:
            return
        self.outcomes[f"{number.name} to the {whom}"] += 1
        self.outcomes["kills"] += 1

    def targets(self, runner: int, whom: str) -> list[psutil.Process]:
        """Processes of a run in a role, which may take a moment to be there."""
        until = time.monotonic() + (0 if whom in ("main", "group") else LONGEST)
        while True:
            children = psutil.Process(runner).children(recursive=True)
            self.family.update(children)
            found = [child for child in children if role(child) == whom]
            if found or time.monotonic() > until:
                return found
            time.sleep(0.01)

    def reap(self) -> bool:
        """Note who has ended; whether one of them has ended well, which means that all cells are done."""
        done = False
        for runner in list(self.runners):
            ended, status = os.waitpid(runner, os.WNOHANG)
            if ended:
                log, code = self.runners.pop(runner), os.waitstatus_to_exitcode(status)
                done |= code == 0
                if "Traceback" in log.read_text() or code == -signal.SIGALRM:
                    self.outcomes["tracebacks or stuck"] += 1
                    print(f"{log.read_text()[-3000:]}\nexit code {code}", flush=True)
        return done

    def run(self, kills: int, until: float) -> None:
        """Until it is done, however often it is killed meanwhile."""
        done = False
        while not done or self.runners:
            while len(self.runners) < RUNNERS and not done:
                self.start()
            time.sleep(self.rng.uniform(0.02, LONGEST))
            done |= self.reap()
            if self.runners and not done and self.outcomes["kills"] < kills and time.monotonic() < until:
                try:
                    self.kill()
                except (psutil.Error, ProcessLookupError):
                    continue  # it has just ended by itself
        _, alive = psutil.wait_procs(self.family, timeout=PATIENCE)
        self.outcomes["orphans"] += len(alive)


def role(process: psutil.Process) -> str:
    """Of a process that a run has started. A copy has the command line of whom it was copied from: simulators that of their
    server, first workers that of the run."""
    parent, line = process.parent(), " ".join(process.cmdline())
    copied = parent is not None and parent.cmdline() == process.cmdline()
    if "multiprocessing.forkserver" in line:
        return "simulator" if copied else "fork server"
    return "worker" if copied or "spawn_main" in line else "other"


def in_a_group(home: Path, cores: int) -> int:
    os.setsid()
    return go_on([*COMMAND, f"machine.cores={cores}"], home)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how many (default: 100)")
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="N", help="when to stop killing")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is killed when (default: 0)")
    options = parser.parse_args(arguments)
    outcomes: Counter[str] = Counter()
    rng, start = random.Random(options.seed), time.monotonic()
    prepare(COMMAND)
    with tempfile.TemporaryDirectory(prefix="random-kills-") as name:
        folder = Path(name)
        os.waitpid(forked(partial(in_a_group, folder / "whole", 1), folder / "whole.txt", STUCK), 0)
        whole = records(folder / "whole")
        assert len(whole) == 24, (folder / "whole.txt").read_text()
        while not outcomes["sweeps"] or (outcomes["kills"] < options.kills and time.monotonic() < start + options.seconds):
            home = folder / f"sweep{outcomes['sweeps']}"
            Sweep(home, rng, outcomes).run(options.kills, start + options.seconds)
            outcomes["sweeps"] += 1
            outcomes["sweeps with the same records"] += records(home) == whole
            outcomes["litter"] += len(litter := left_over(home))
            for path in litter:
                print(f"left: {path.relative_to(home)}")
            shutil.rmtree(home)
    wanted = ("kills", "sweeps", "sweeps with the same records", "orphans", "litter", "tracebacks or stuck")
    for word in (*wanted, *sorted(outcomes.keys() - set(wanted))):
        print(f"{outcomes[word]:5} {word}")
    print(f"{time.monotonic() - start:5.0f} s")
    good = outcomes["sweeps"] == outcomes["sweeps with the same records"]
    return 0 if good and not any(outcomes[word] for word in wanted[3:]) else 1


if __name__ == "__main__":
    sys.exit(main())
