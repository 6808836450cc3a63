"""Encoder + demonstrations -> features of every frame, computed once for all policies and probes."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.core.errors import Diverged
from benchmark.simulation.agent import encode
from benchmark.stages.base import Context
from benchmark.stages.load.demos import load_demos
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params.embed import Params, Summary

BATCH = 256


def run(context: Context[Params]) -> Summary:
    kind, device = context.params.features, context.device(context.params.device)
    demos = load_demos(context)
    encoder = load_encoder(context.inputs["encoder"], demos.spec).to(device)
    raw = demos.states if encoder.reads == "state" else demos.frames
    dtype = np.float32 if encoder.reads == "state" else np.float16
    features: np.memmap | None = None
    start = time.monotonic()
    for at in range(0, len(raw), BATCH):
        rows = torch.from_numpy(np.array(raw[at : at + BATCH])).to(device)
        block = encode(encoder, rows, kind).float().cpu().numpy()
        if features is None:
            shape = (len(raw), block.shape[1])
            features = np.lib.format.open_memmap(context.out / "features.npy", "w+", dtype, shape)
        features[at : at + len(block)] = block
        context.task.update(min(at + BATCH, len(raw)), len(raw))
    assert features is not None
    features.flush()
    if not np.isfinite(features).all():
        raise Diverged("the encoder produced NaN or infinite features")
    with FlopCounterMode(display=False) as counter:
        encode(encoder, torch.from_numpy(np.array(raw[:1])).to(device), kind)
    views = len(demos.spec.views)
    return Summary(
        dim=int(features.shape[1]),
        encoder_gflops=counter.get_total_flops() / views / 1e9,
        encoder_ms=1000 * (time.monotonic() - start) / (len(raw) * views),
    )
