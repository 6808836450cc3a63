"""Sizes at which every measurement is a matter of milliseconds, and a bench whose ceilings are round numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmark.bench.case import Bench
from benchmark.bench.floor import Ceilings
from benchmark.bench.scale import QUICK, Scale
from benchmark.bench.timing import Timer

TOY: Scale = replace(
    QUICK,
    preset="smoke",
    resolutions=(32,),
    seconds=1e-4,
    repetitions=2,
    product=16,
    copied=1 << 12,
    written=1 << 12,
    pixels=4 * 32**2,
    episodes=2,
    policy_batch=8,
    policy_precisions=("bf16",),
    slots=2,
    ticks=2,
    workers=0,
    artifact=1 << 10,
    starts=1,
)
CEILINGS = Ceilings(flops={"fp32": 1e9, "bf16": 4e9}, copy=1e9, write=1e8, read=1e9)


def toy_bench(folder: Path, released: Path | None = None) -> Bench:
    timer = Timer(TOY.seconds, TOY.repetitions)
    return Bench(TOY, "cpu", "fp32", timer, folder, CEILINGS, released)
