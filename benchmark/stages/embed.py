"""Encoder + demonstrations -> features of every frame, computed once for all policies and probes."""

from __future__ import annotations

import time

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from benchmark.core.errors import Diverged
from benchmark.models.features import encode
from benchmark.stages.base import Context
from benchmark.stages.load.demos import load_demos
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params.embed import Params, Summary

BATCH = {"cpu": 32, "cuda": 256}  # frames at once: on a processor so few that their maps stay in its caches


def run(context: Context[Params]) -> Summary:
    kind, device = context.params.features, context.device(context.params.device)
    precision = context.precision(context.params.precision, device)
    demos = load_demos(context)
    encoder = load_encoder(context.inputs["encoder"], demos.spec).to(device)
    total = int(demos.ends[-1])
    dtype = np.float32 if encoder.reads == "state" else np.float16
    features: np.memmap | None = None
    start = time.monotonic()
    size = BATCH[device]
    for at in range(0, total, size):
        rows = demos.observations(slice(at, at + size), encoder.reads, device)
        block = encode(encoder, rows, kind, precision).cpu().numpy()
        if features is None:
            shape = (total, block.shape[1])
            features = np.lib.format.open_memmap(context.out / "features.npy", "w+", dtype, shape)
        features[at : at + len(block)] = block
        context.task.update(min(at + size, total), total)
    assert features is not None
    features.flush()
    if not np.isfinite(features).all():
        raise Diverged("the encoder produced NaN or infinite features")
    with FlopCounterMode(display=False) as counter:
        encode(encoder, demos.observations(slice(0, 1), encoder.reads, device), kind, precision)
    views = len(demos.spec.views)
    return Summary(
        dim=int(features.shape[1]),
        encoder_gflops=counter.get_total_flops() / views / 1e9,
        encoder_ms=1000 * (time.monotonic() - start) / (total * views),
    )
