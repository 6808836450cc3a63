"""Features of frames: as the stage computes them, copies included, and the network alone in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
from benchmark.stages.embed import blocks
from benchmark.stages.params.embed import BATCH


def cases(scale: Scale) -> list[Case]:
    return [Case(f"embed/resnet18@{size}", _measure(size)) for size in scale.resolutions]


def _measure(resolution: int) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        [env] = defaults()["bench_env"]
        torch.manual_seed(0)
        encoder = build_backbone("resnet18", WIDTHS[bench.scale.preset], resolution).to(bench.device).eval()
        demos = noise(resolution, bench.scale.episodes, env)
        on_gpu = bench.device == "cuda"
        size = max(1, min(BATCH[bench.device], bench.scale.pixels // resolution**2))
        in_a_row = min(4 if on_gpu else 1, len(demos.frames) // size)  # blocks: the next is read beside the network
        frames = in_a_row * size
        look = partial(demos.observations, reads="frames", device=bench.device)
        rows = look(slice(size))

        def stage() -> None:
            for _, there in blocks(look, frames, size, ahead=on_gpu):
                encode(encoder, there, "pooled", bench.precision).cpu().numpy()

        def half() -> None:
            for _ in range(in_a_row):
                with torch.autocast(bench.device, torch.bfloat16):
                    encode(encoder, rows, "pooled")

        rates = bench.timer.rates({"stage": stage, "network": half})
        weights = sum(p.nbytes for p in encoder.parameters())
        flops = in_a_row * flops_of(lambda: encode(encoder, rows, "pooled"))
        cost = Cost(flops, in_a_row * weights + demos.frames[:frames].nbytes)
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
