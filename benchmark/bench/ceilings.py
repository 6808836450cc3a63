"""What this machine reaches where it does one simple thing: what all other rates are compared with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from benchmark.bench.case import need_cuda
from benchmark.bench.floor import Ceilings
from benchmark.bench.measurement import Measurement
from benchmark.bench.scale import Scale
from benchmark.bench.timing import Rate, Timer
from benchmark.core.errors import Unavailable
from benchmark.core.progress import size
from benchmark.models.precision import products

PRODUCTS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}
BLOCK = 1 << 22  # bytes written or read at once


def measure_ceilings(scale: Scale, device: str, timer: Timer, folder: Path) -> tuple[Ceilings, list[Measurement]]:
    """They are needed for every floor, so they are measured in every run."""
    measurements = []
    flops: dict[str, float] = {}
    for precision in PRODUCTS:
        name = f"ceiling/product/{precision}"
        try:
            rate = _product(scale.product, precision, device, timer)
        except Unavailable as error:
            measurements.append(Measurement(name, reason=str(error)))
            continue
        flops[precision] = rate.per_second * 2 * scale.product**3
        side = f"{scale.product} x {scale.product}"
        measurements.append(Measurement(name, "TFLOP/s", flops[precision] / 1e12, rate.spread, detail=side))
    moved = {"copy": (_copy(scale.copied, device, timer), 2 * scale.copied)}
    moved |= {name: (rate, scale.written) for name, rate in _disk(scale.written, timer, folder).items()}
    details = {
        "copy": f"{size(scale.copied)}, read and written",
        "write": f"{size(scale.written)}, fsync included",
        "read": f"{size(scale.written)}, just written: from the page cache",
    }
    bandwidth = {name: rate.per_second * n_bytes for name, (rate, n_bytes) in moved.items()}
    for name, (rate, _) in moved.items():
        measurements.append(Measurement(f"ceiling/{name}", "GB/s", bandwidth[name] / 1e9, rate.spread, detail=details[name]))
    return Ceilings(flops, **bandwidth), measurements


def _product(side: int, precision: str, device: str, timer: Timer) -> Rate:
    if precision == "tf32":
        need_cuda(device)
    a, b = (torch.randn(side, side, device=device).to(PRODUCTS[precision]) for _ in range(2))
    with products(precision):
        return timer.rates({"product": lambda: a @ b})["product"]


def _copy(n_bytes: int, device: str, timer: Timer) -> Rate:
    source, target = (torch.zeros(n_bytes, dtype=torch.uint8, device=device) for _ in range(2))
    return timer.rates({"copy": lambda: target.copy_(source)})["copy"]


def _disk(n_bytes: int, timer: Timer, folder: Path) -> dict[str, Rate]:
    path, block = folder / "ceiling", os.urandom(min(BLOCK, n_bytes))

    def write() -> None:
        with path.open("wb") as file:
            for _ in range(n_bytes // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    def read() -> None:
        with path.open("rb") as file:
            while file.read(BLOCK):
                pass

    works: dict[str, Callable[[], None]] = {"write": write, "read": read}
    return timer.rates(works)
