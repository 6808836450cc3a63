"""Encoder + demonstrations -> features of every frame, computed once for all policies and probes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from benchmark.core.errors import Diverged
from benchmark.data.episodes import open_demos
from benchmark.models.features import encode
from benchmark.stages.context import Context
from benchmark.stages.pretrain import load_encoder

BATCH = 256


def run(context: Context) -> dict[str, Any]:
    kind, device = context.params["features"], context.params["device"]
    demos = open_demos(context.inputs["demos"])
    encoder = load_encoder(context).to(device)
    total = int(demos.ends[-1])
    dtype = np.float32 if encoder.reads == "state" else np.float16
    features: np.memmap | None = None
    start = time.monotonic()
    for at in range(0, total, BATCH):
        rows = demos.observations(slice(at, at + BATCH), encoder.reads, device)
        block = encode(encoder, rows, kind).float().cpu().numpy()
        if features is None:
            shape = (total, block.shape[1])
            features = np.lib.format.open_memmap(context.out / "features.npy", "w+", dtype, shape)
        features[at : at + len(block)] = block
        context.task.update(min(at + BATCH, total), total)
    assert features is not None
    features.flush()
    if not np.isfinite(features).all():
        raise Diverged("the encoder produced NaN or infinite features")
    with FlopCounterMode(display=False) as counter:
        encode(encoder, demos.observations(slice(0, 1), encoder.reads, device), kind)
    return {
        "dim": int(features.shape[1]),
        "encoder_gflops": counter.get_total_flops() / len(demos.spec.views) / 1e9,
        "encoder_ms": 1000 * (time.monotonic() - start) / (total * len(demos.spec.views)),
    }
