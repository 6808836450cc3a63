"""Features of frames: as the stage computes them, copies included, and the network alone in bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmark.bench.case import Bench, Case
from benchmark.bench.floor import Cost, flops_of
from benchmark.bench.measurement import Measurement
from benchmark.bench.noise import noise
from benchmark.bench.scale import Scale
from benchmark.bench.text import milliseconds
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.features import encode
from benchmark.planning.recipes import defaults
from benchmark.stages.embed import BATCH


def cases(scale: Scale) -> list[Case]:
    return [Case(f"embed/resnet18@{size}", _measure(size)) for size in scale.resolutions]


def _measure(resolution: int) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        [env] = defaults()["bench_env"]
        torch.manual_seed(0)
        encoder = build_backbone("resnet18", WIDTHS[bench.scale.preset], resolution).to(bench.device).eval()
        demos = noise(resolution, bench.scale.episodes, env)
        block = slice(0, max(1, min(BATCH[bench.device], bench.scale.pixels // resolution**2)))
        rows = demos.observations(block, "frames", bench.device)
        frames = len(demos.frames[block])

        def stage() -> None:
            there = demos.observations(block, "frames", bench.device)
            encode(encoder, there, "pooled", bench.precision).cpu().numpy()

        def half() -> None:
            with torch.autocast(bench.device, torch.bfloat16):
                encode(encoder, rows, "pooled")

        rates = bench.timer.rates({"stage": stage, "network": half})
        weights = sum(p.nbytes for p in encoder.parameters())
        cost = Cost(flops_of(lambda: encode(encoder, rows, "pooled")), weights + demos.frames[block].nbytes)
        precisions = {"stage": bench.precision, "network": "bf16"}
        return [
            bench.measured(
                f"{name}/{how}",
                "frames/s",
                rate,
                frames,
                cost,
                precisions[how],
                f"{milliseconds(rate.seconds)} for {frames}, {precisions[how]}",
            )
            for how, rate in rates.items()
        ]

    return measure
