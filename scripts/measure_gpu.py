"""The lines about a GPU of docs/performance.md, by one command on a machine that has one.

    python scripts/measure_gpu.py FOLDER [--reference DYNAMO_CHECKOUT] [--only bench,together,row] [--compile] [KEY=VALUE ...]

bench      ceilings, pretraining at 96 and 224 px (operation by operation, captured, released), embedding, steps of policies
           and tokenizers; `--compile`: compiled as well, a minute or two for each
together   steps of seven rows at 96 px, each row in a process of its own: one after another, and then side by side
row        one Push-T row at the paper's size: pretraining 40 epochs at 96 px, 5 000 steps of VQ-BeT, 100 episodes, in the
           precisions that are the default elsewhere (bf16, tf32); the paper's 5 000 epochs of VQ-BeT are 200 000 steps and more

`bench` and `row` are the commands that a user would type. Settings (KEY=VALUE) reach the row: `env.pusht.demonstrations=human`
where those are at hand, smaller budgets for a trial.
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

import numpy as np
import torch

ROOT = Path(__file__).parent.parent
BENCHMARK = [sys.executable, "-m", "benchmark"]
ROWS = ("dynamo", "byol", "byol_t", "simsiam", "vicreg", "moco_v3", "inverse_dynamics")
FRAMES = 50_000  # of each row: some seconds alone
ROW = ["--preset", "paper", "--envs", "pusht", "--methods", "dynamo", "--policies", "vqbet", "env.pusht.resolution=96"]
ROW += ["fit.steps=5000", *(f"{stage}.precision=auto" for stage in ("pretrain", "embed", "fit"))]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--only", default="bench,together,row")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps-of", metavar="ROW", help=argparse.SUPPRESS)  # a process of `together`
    options, settings = parser.parse_known_args(words)
    if options.steps_of:
        _steps_of(options.steps_of)
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    parts = {"bench": _bench, "together": _together, "row": _row}
    facts = {name: parts[name](options, settings) for name in options.only.split(",")}
    (options.output / "gpu.json").write_text(json.dumps(facts, indent=1) + "\n")
    return 0


def _bench(options: argparse.Namespace, settings: list[str]) -> dict[str, Any]:
    groups = "pretrain,embed,fit,tokenize,sampler"
    more = ["--reference", str(options.reference)] if options.reference else []
    more += ["--compile"] if options.compile else []
    page = options.output / "PERFORMANCE.md"
    seconds = _timed([[*BENCHMARK, "bench", "--only", groups, "--output", str(page), *more]])
    return _told("bench", {"page": page.name, "seconds": seconds})


def _together(options: argparse.Namespace, settings: list[str]) -> dict[str, Any]:
    """All processes are there and warm before the first is timed; a step is all that training does, its batch included."""
    command = [sys.executable, __file__, str(options.output), "--steps-of"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    rows = {row: subprocess.Popen([*command, row], env=_environment(), **pipes) for row in ROWS}
    told = {row: _answer(process) for row, process in rows.items()}
    alone = {}
    for row, process in rows.items():
        _ask(process)
        alone[row] = float(_answer(process))
    start = time.monotonic()
    for process in rows.values():
        _ask(process)
    together = {row: float(_answer(process)) for row, process in rows.items()}
    seconds = time.monotonic() - start
    for process in rows.values():
        process.communicate()
    facts = {"graphs": told, "frames": FRAMES, "alone_s": alone, "together_s": together, "seconds": round(seconds, 2)}
    return _told("together", {**facts, "lost": round(seconds / sum(alone.values()) - 1, 3)})


def _ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise SystemExit(f"{' '.join(map(str, process.args))} ended with {process.wait()}")
    return line.strip()


def _steps_of(row: str) -> None:
    """Say whether its steps are a graph; then, for each line that is read, train for so many frames and say the seconds."""
    from benchmark import registry
    from benchmark.bench.noise import noise
    from benchmark.bench.steps import Stepper
    from benchmark.contracts.presets import component_config
    from benchmark.core.machine import resolve_device, resolve_precision
    from benchmark.data.windows import WindowSampler

    device = resolve_device("auto")
    cls: Any = registry.methods().get(row)
    config = component_config(cls, "paper" if device == "cuda" else "smoke", "pusht")
    demos = noise(96, 12, "pusht")
    sampler = WindowSampler(demos, np.arange(len(demos)), cls.batch_spec(config), config.batch_size, 0, device)
    torch.manual_seed(0)
    stepper = Stepper(cls(config, demos.spec), sampler.batch_at, device, resolve_precision("auto", device))
    take = stepper.best
    take()
    print(stepper.reason or "captured", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(max(2, (FRAMES if device == "cuda" else 0) // sampler.frames_per_step)):
            values = take()
        float(values["loss"])  # waits for the device
        print(time.perf_counter() - start, flush=True)


def _row(options: argparse.Namespace, settings: list[str]) -> dict[str, Any]:
    home = options.output / "row"
    seconds = _timed([[*BENCHMARK, "run", "--quiet", *ROW, *settings, "--home", str(home)]])
    stages = {manifest["label"]: manifest["wall_seconds"] for manifest in _manifests(home, "*")}
    return _told("row", {"seconds": seconds, "stages": stages})


def _timed(commands: list[list[str]]) -> float:
    """Side by side; the seconds until the last has ended."""
    start = time.monotonic()
    running = [subprocess.Popen(command, env=_environment()) for command in commands]
    if codes := [process.returncode for process in running if process.wait()]:
        raise SystemExit(f"{' '.join(commands[0])} ended with {codes}")
    return round(time.monotonic() - start, 1)


def _environment() -> dict[str, str]:
    paths = (str(ROOT), os.environ.get("PYTHONPATH", ""))
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _manifests(home: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(home.glob(f"{kind}/*/manifest.json"))]


def _told(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    print(name, json.dumps(facts), flush=True)
    return facts


if __name__ == "__main__":
    raise SystemExit(main())
