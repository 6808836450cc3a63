"""The lines about a GPU of docs/performance.md, by one command on a machine that has one.

    python scripts/measure_gpu.py OUTPUT_FOLDER [--reference DYNAMO_CHECKOUT] [--only bench,together,row] [KEY=VALUE ...]

bench      ceilings, pretraining at 96 and 224 px (operation by operation, captured, released), embedding, policy steps
together   seven rows pretrain alone, one after another, and then side by side in as many processes
row        one Push-T row at the paper's size: pretraining 40 epochs at 96 px, VQ-BeT, 100 episodes

Every step is the command that a user would type; what is compared is read from the manifests. Settings (KEY=VALUE) reach
every run: `env.pusht.demonstrations=human` where those are at hand, smaller budgets for a trial.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BENCHMARK = [sys.executable, "-m", "benchmark"]
ROWS = ("dynamo", "byol", "byol_t", "simsiam", "vicreg", "moco_v3", "inverse_dynamics")
TOGETHER = ["--preset", "paper", "--envs", "pusht", "--policies", "knn", "env.pusht.resolution=96", "rollout.episodes=1"]
FRAMES = "pretrain.frames=300000"  # of each row: a minute or so alone
ROW = ["--preset", "paper", "--envs", "pusht", "--methods", "dynamo", "--policies", "vqbet", "env.pusht.resolution=96"]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--only", default="bench,together,row")
    options, settings = parser.parse_known_args(words)
    options.output.mkdir(parents=True, exist_ok=True)
    parts = {"bench": _bench, "together": _together, "row": _row}
    facts = {name: parts[name](options, settings) for name in options.only.split(",")}
    (options.output / "gpu.json").write_text(json.dumps(facts, indent=1) + "\n")
    return 0


def _bench(options: argparse.Namespace, settings: list[str]) -> dict[str, Any]:
    groups = "pretrain,embed,fit,sampler"
    reference = ["--reference", str(options.reference)] if options.reference else []
    page = options.output / "PERFORMANCE.md"
    seconds = _timed([[*BENCHMARK, "bench", "--only", groups, "--output", str(page), *reference]])
    return _told("bench", {"page": page.name, "seconds": seconds})


def _together(options: argparse.Namespace, settings: list[str]) -> dict[str, Any]:
    """Demonstrations are made first, and copied, so that neither side has to make them."""
    alone, together = options.output / "alone", options.output / "together"
    run = [*BENCHMARK, "run", "--quiet", *TOGETHER, FRAMES, *settings]
    _timed([[*run, "--methods", "random", "--home", str(alone)]])
    subprocess.run(["cp", "-r", str(alone), str(together)], check=True)
    _timed([[*run, "--methods", ",".join(ROWS), "--home", str(alone), "machine.cores=1"]])
    wall = _timed([[*run, "--methods", row, "--home", str(together)] for row in ROWS])
    own, shared = _pretraining(alone), _pretraining(together)
    facts = {"alone_s": own, "together_s": shared, "wall_s": wall, "lost": max(shared.values()) / sum(own.values()) - 1}
    return _told("together", facts)


def _row(options: argparse.Namespace, settings: list[str]) -> dict[str, Any]:
    home = options.output / "row"
    seconds = _timed([[*BENCHMARK, "run", "--quiet", *ROW, *settings, "--home", str(home)]])
    stages = {manifest["label"]: manifest["wall_seconds"] for manifest in _manifests(home, "*")}
    return _told("row", {"seconds": seconds, "stages": stages})


def _timed(commands: list[list[str]]) -> float:
    """Side by side; the seconds until the last has ended."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    running = [subprocess.Popen(command, env=environment) for command in commands]
    if codes := [process.returncode for process in running if process.wait()]:
        raise SystemExit(f"{' '.join(commands[0])} ended with {codes}")
    return round(time.monotonic() - start, 1)


def _pretraining(home: Path) -> dict[str, float]:
    """Seconds of each row that was trained."""
    trained = (manifest for manifest in _manifests(home, "pretrain") if manifest["params"]["learning"])
    return {manifest["params"]["method"]: manifest["summary"]["pretrain_seconds"] for manifest in trained}


def _manifests(home: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(home.glob(f"{kind}/*/manifest.json"))]


def _told(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    print(name, json.dumps(facts), flush=True)
    return facts


if __name__ == "__main__":
    raise SystemExit(main())
