"""How fast training steps are on this machine, one operation at a time and as a captured graph.

    python scripts/bench_gpu.py bench.json            # about 90 s on an H100
    python scripts/bench_gpu.py bench.json --tiny     # the same code on a processor, sizes that mean nothing

Ceilings first (matrix product, copy), then pretraining steps at the paper's batch, embedding, and a VQ-BeT step at the paper's
size. Every figure is the median of alternating repetitions. A row that fails prints its error and the next one goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.specs import PolicySpec
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos
from benchmark.data.windows import WindowSampler
from benchmark.models.encoders import build_backbone
from benchmark.models.features import encode
from benchmark.training.accelerator import EagerStep
from benchmark.training.captured import WARM_UP, CapturedStep
from benchmark.training.optimizers import make_optimizer, set_learning_rates, tensor_rates

EPISODES, LENGTH = 12, 120
LARGEST = 512  # frames of 224 pixels in a step: a graph and single operations hold their activations at the same time
Row = dict[str, Any]


class Bench:
    def __init__(self, device: str, tiny: bool, budget: float, output: Path):
        self.device, self.tiny, self.cuda, self.output = device, tiny, device == "cuda", output
        self.machine = {"device": torch.cuda.get_device_name() if self.cuda else "cpu", "torch": torch.__version__}
        self.deadline = time.monotonic() + budget
        self.rows: list[Row] = []
        self.measure, self.repetitions = (0.02, 1) if tiny else (0.5, 3)  # seconds of a repetition, and how many
        self._demos: dict[int, Demos] = {}

    def row(self, name: str, work: Callable[[], Row]) -> None:
        start = time.monotonic()
        if start > self.deadline:
            result: Row = {"error": "skipped: out of time"}
        else:
            try:
                result = work()
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        self.rows.append({"row": name, **result, "seconds": round(time.monotonic() - start, 1)})
        print("  ".join(f"{k} {v:,.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in self.rows[-1].items()), flush=True)
        self.output.write_text(json.dumps({**self.machine, "rows": self.rows}, indent=1))
        if self.cuda:
            torch.cuda.empty_cache()

    def rate(self, **works: Callable[[], Any]) -> dict[str, float]:
        """Calls per second of each, the median of alternating repetitions."""
        counts = {name: max(1, round(self.measure / self.seconds(work, 2))) for name, work in works.items()}
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(self.repetitions):
            for name, work in works.items():
                times[name].append(self.seconds(work, counts[name]))
        return {name: 1 / statistics.median(values) for name, values in times.items()}

    def seconds(self, work: Callable[[], Any], count: int) -> float:
        self.wait()
        start = time.perf_counter()
        for _ in range(count):
            work()
        self.wait()
        return (time.perf_counter() - start) / count

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def ceilings(self) -> Row:
        n = 256 if self.tiny else 8192
        a, b = (torch.randn(n, n, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        source = torch.randint(256, (n * n * 16,), device=self.device, dtype=torch.uint8)
        target = torch.empty_like(source)
        rates = self.rate(product=lambda: a @ b, copy=lambda: target.copy_(source))
        return {"tflops_bf16": rates["product"] * 2 * n**3 / 1e12, "copy_tb_s": rates["copy"] * 2 * source.numel() / 1e12}

    def demos(self, size: int) -> Demos:
        """Noise: what pixels show does not change how long a step takes."""
        if size not in self._demos:
            spec, rng, n = DataSpec("pusht", ("top",), size, 2, 2, 5, 10.0), np.random.default_rng(0), EPISODES * LENGTH
            frames = rng.integers(0, 256, (n, 1, size, size, 3), dtype=np.uint8)
            numbers = rng.normal(size=(n, 9)).astype(np.float32)
            ends = np.arange(1, EPISODES + 1) * LENGTH
            self._demos[size] = Demos(spec, frames, numbers[:, :2], numbers[:, 2:7], numbers[:, 7:], ends, [{}] * EPISODES)
        return self._demos[size]

    def steps(self, module: Any, config: Any, batch_at: Callable[[int], Any], precision: str) -> Row:
        """Milliseconds of a step, batches and moving averages included, and what it takes as a graph."""
        module.to(self.device).train()
        groups = module.groups()
        optimizer = make_optimizer(groups, config)
        eager = EagerStep(module, groups, optimizer, config.clip, self.device, precision)
        position = 0

        def step(take: Any) -> None:
            nonlocal position
            set_learning_rates(optimizer, groups, config, position, 100_000)
            torch.manual_seed(position)
            take(batch_at(position), position)
            module.after_step(position, 100_000)
            position += 1

        works = {"eager": lambda: step(eager)}
        result: Row = {}
        if self.cuda:
            tensor_rates(optimizer, self.device)
            captured = CapturedStep(eager)
            for _ in range(WARM_UP + 1):
                step(captured)
            if captured.reason is None:
                works["captured"] = lambda: step(captured)
            else:
                result["reason"] = captured.reason
            torch.cuda.reset_peak_memory_stats()
        rates = self.rate(**works)
        result |= {f"{name}_ms": 1000 / rate for name, rate in rates.items()}
        if self.cuda:
            result["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
        return result

    def pretraining(self, name: str, size: int, precision: str = "bf16") -> Row:
        cls: Any = registry.methods().get(name)
        preset = "smoke" if self.tiny else "paper"
        config = cls.Config(**{**cls.presets[preset], **cls.presets.get(f"{preset}/pusht", {})})
        spec = cls.batch_spec(config)
        batch = min(config.batch_size, LARGEST // spec.window) if size > 96 else config.batch_size
        demos = self.demos(size)
        torch.manual_seed(0)
        module = cls(config, demos.spec)
        sampler = WindowSampler(demos, np.arange(EPISODES), spec, batch, 0, self.device)
        result = self.steps(module, config, sampler.batch_at, precision)
        frames = {
            k.replace("_ms", "_frames_s"): 1000 * sampler.frames_per_step / v for k, v in result.items() if k.endswith("_ms")
        }
        return {"frames": sampler.frames_per_step, **result, **frames}

    def embedding(self, size: int) -> Row:
        torch.manual_seed(0)
        encoder = build_backbone("resnet18", 8 if self.tiny else 64, size).to(self.device).eval()
        rows = self.demos(size).observations(slice(0, 8 if self.tiny else 256), "frames", self.device)

        def half() -> None:
            with torch.autocast(self.device, torch.bfloat16):
                encode(encoder, rows, "pooled")

        rates = self.rate(fp32=lambda: encode(encoder, rows, "pooled"), bf16=half)
        return {f"{name}_frames_s": rate * len(rows.proprio) for name, rate in rates.items()}

    def vqbet(self, precision: str) -> Row:
        cls: Any = registry.policies().get("vqbet")
        preset = "smoke" if self.tiny else "paper"
        config = cls.Config(**{**cls.presets[preset], **cls.presets.get(f"{preset}/pusht", {})})
        config = replace(config, tokenizer_epochs=2)
        episodes, length = (4, 50) if self.tiny else (206, 124)
        ends = np.arange(1, episodes + 1) * length
        rng = torch.Generator().manual_seed(0)
        features, actions = (torch.randn(episodes * length, d, generator=rng) for d in (512, 2))
        table = features, actions, ends - length, ends, np.arange(episodes)
        sampler = ChunkSampler(*table, config, device=self.device)
        torch.manual_seed(0)
        policy = cls(config, PolicySpec(512, 2)).to(self.device)
        policy.tokenizer.fit(sampler.all().actions, torch.Generator(self.device).manual_seed(0))
        if precision == "tf32":
            torch.set_float32_matmul_precision("high")
        try:
            return {"batch": config.batch_size, **self.steps(policy, config, sampler.batch_at, precision)}
        finally:
            torch.set_float32_matmul_precision("highest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--budget", type=float, default=90.0, help="seconds after which no further row starts")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bench = Bench(device, arguments.tiny, arguments.budget, arguments.output)
    print(bench.machine, flush=True)
    small, large = (32, 48) if arguments.tiny else (96, 224)
    bench.row("ceilings", bench.ceilings)
    bench.row(f"dynamo {small}", lambda: bench.pretraining("dynamo", small))
    bench.row(f"dynamo {large}", lambda: bench.pretraining("dynamo", large))
    for precision in ("fp32", "tf32", "bf16"):
        bench.row(f"vqbet {precision}", lambda precision=precision: bench.vqbet(precision))  # type: ignore[misc]
    bench.row(f"embedding {large}", lambda: bench.embedding(large))
    bench.row(f"embedding {small}", lambda: bench.embedding(small))
    for size in (small, large):
        for name in ("byol", "mae", "moco_v3", "tcn_sv"):
            bench.row(f"{name} {size}", lambda name=name, size=size: bench.pretraining(name, size))  # type: ignore[misc]


if __name__ == "__main__":
    main()
