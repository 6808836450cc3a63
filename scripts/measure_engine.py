#!/usr/bin/env python3
"""How much faster the local engine brings a mixed plan to its end than one stage after another, on two cores.

    .venv/bin/python scripts/measure_engine.py                       three times each, in turn: about ten quiet minutes
    .venv/bin/python scripts/measure_engine.py --repeat 1 --scale 0.3

The plan is small and has everything: demonstrations, pretraining, embeddings, probes, a tokenizer, fits with and without
gradients, rollouts of several rows. Both ways start a process, plan, and compute the same records with one thread per stage.
The seconds that processors worked are shown beside those that passed: where a machine does other things, only they say much.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
MATRIX = ("--methods", "random,byol,dynamo", "--envs", "pusht", "--policies", "knn,mlp,vqbet", "--seeds", "2")
AMOUNTS = {"pretrain.steps": 60, "fit.steps": 300, "rollout.episodes": 6, "env.pusht.episodes": 12}  # at a scale of 1
WAYS = {"one after another": "machine.cores=1", "side by side": "machine.cores=2"}
QUIET = 1.5  # of the load of a minute ago


@dataclass(frozen=True)
class Taken:
    seconds: float
    worked: float  # by processors


def run(home: Path, way: str, scale: float) -> Taken:
    """Simulators live in the processes of their stages, so that all work is counted."""
    amounts = [f"{name}={max(2, round(scale * amount))}" for name, amount in AMOUNTS.items()]
    settings = [*amounts, "machine.device=cpu", "machine.threads=1", "machine.workers=0", way]
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        *MATRIX,
        "--preset",
        "quick",
        "--home",
        str(home),
        "--quiet",
        *settings,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    since = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with code {code}:\n{said.decode()}")
    return Taken(time.monotonic() - since, usage.ru_utime + usage.ru_stime)


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in home.glob("rollout/*/records.jsonl")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the amount of work")
    options = parser.parse_args()
    taken: dict[str, list[Taken]] = {name: [] for name in WAYS}
    for _ in range(options.repeat):
        made = []
        for name, way in WAYS.items():
            load = psutil.getloadavg()[0]
            with tempfile.TemporaryDirectory(prefix="engine-") as folder:
                taken[name].append(run(Path(folder) / "runs", way, options.scale))
                made.append(records(Path(folder) / "runs"))
            last = taken[name][-1]
            remark = "" if load < QUIET else f" (load {load:.1f}: not quiet)"
            print(f"{name:<18} {last.seconds:7.1f} s, processors {last.worked:7.1f} s{remark}", flush=True)
        assert made[0], "no records"
        assert made[0] == made[1], "other records"
    seconds = {name: statistics.median(one.seconds for one in each) for name, each in taken.items()}
    worked = {name: statistics.median(one.worked for one in each) for name, each in taken.items()}
    first, second = WAYS
    print(
        f"{seconds[first] / seconds[second]:.2f} times as fast side by side, "
        f"with {worked[second] / worked[first]:.2f} times the work of processors; records identical"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
