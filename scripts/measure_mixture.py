"""How much memory a mixture takes that does not fit into it: written as the stage of demonstrations writes it, then drawn from.

    python scripts/measure_mixture.py --gigabytes 2

Prints the memory of this process that no file backs (RssAnon), after opening and after many batches, and how fast batches come.
Pages of the memory map are the system's to drop and do not count. Exits with 1 if it grew by more than the budget.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmark.contracts.data import DataSpec, Episode, Part
from benchmark.contracts.method import BatchSpec
from benchmark.data.episodes import DemosWriter, open_demos
from benchmark.data.windows import WindowSampler

SIDE, LENGTH, BATCH, BATCHES = 96, 100, 64, 300
BUDGET = 100e6  # bytes: index tables, a few batches, the small arrays


def anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        episodes = max(6, round(options.gigabytes * 1e9 / (LENGTH * SIDE * SIDE * 3)))
        sizes = episodes // 2, episodes // 3, episodes - episodes // 2 - episodes // 3
        parts = [Part(name, size, 1 / 3) for name, size in zip("abc", sizes, strict=True)]
        writer = DemosWriter(Path(folder), DataSpec("mixture", ("primary",), SIDE, 7, 0, 0, 10.0), parts=parts)
        rng, nothing, before = np.random.default_rng(0), np.zeros((LENGTH, 0), np.float32), anonymous()
        for _ in range(episodes):
            frames = rng.integers(0, 255, (LENGTH, 1, SIDE, SIDE, 3), np.uint8)
            writer.add(Episode(frames, rng.normal(size=(LENGTH, 7)).astype(np.float32), nothing, nothing))
        writer.finish()
        written, demos = anonymous(), open_demos(Path(folder))
        sampler = WindowSampler(demos, np.arange(len(demos)), BatchSpec(2), BATCH, 0)
        sampler.batch_at(0)
        opened, start = anonymous(), time.process_time()
        for step in range(BATCHES):
            sampler.batch_at(step * sampler.steps_per_epoch // BATCHES)
        seconds, drawn = time.process_time() - start, anonymous()
        print(f"{demos.frames.nbytes / 1e9:.2f} GB of frames in {episodes} episodes of 3 data sets")
        names = {"before": before, "written": written, "opened": opened, f"after {BATCHES} batches": drawn}
        print("memory: " + ", ".join(f"{size / 1e6:.0f} MB {name}" for name, size in names.items()))
        print(f"{BATCHES * BATCH * 2 / seconds:.0f} frames per second of processor time, at random over all of them")
        return int(drawn - before > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
