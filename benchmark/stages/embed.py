"""Encoder + demonstrations -> features of every frame, computed once for all policies and probes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from benchmark.contracts.data import Observations
from benchmark.core.errors import Diverged
from benchmark.models.features import encode, parts_of
from benchmark.stages.base import Context
from benchmark.stages.load.demos import load_demos
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params.embed import BATCH, Params, Summary


def run(context: Context[Params]) -> Summary:
    kind, device = context.params.features, context.device(context.params.device)
    precision = context.precision(context.params.precision, device)
    demos = load_demos(context)
    encoder = load_encoder(context.inputs["encoder"], demos.spec).to(device)
    total = int(demos.ends[-1])
    dtype = np.float32 if encoder.reads == "state" else np.float16
    width = 0
    start = time.monotonic()
    size = BATCH[device]
    with (context.out / "features.npy").open("wb") as file:  # written, not mapped: a full disk would kill whoever maps
        look = partial(demos.observations, reads=encoder.reads, device=device)
        for at, rows in blocks(look, total, size, ahead=device == "cuda"):
            block = encode(encoder, rows, kind, precision).float().cpu().numpy().astype(dtype)
            if not np.isfinite(block).all():
                raise Diverged("the encoder produced NaN or infinite features, or some beyond 65504, where 16 bits end")
            if not width:
                width = block.shape[1]
                header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
                np.lib.format.write_array_header_1_0(file, {**header, "shape": (total, width)})
            file.write(block.tobytes())
            context.task.update(min(at + size, total), total)
    with FlopCounterMode(display=False) as counter:
        encode(encoder, demos.observations(slice(0, 1), encoder.reads, device), kind, precision)
    views = len(demos.spec.views)
    parts = parts_of(encoder, kind, views, demos.spec.resolution)
    return Summary(
        dim=width,
        encoder_gflops=counter.get_total_flops() / views / 1e9,
        encoder_ms=1000 * (time.monotonic() - start) / (total * views),
        views=parts[0],
        tokens=parts[1],
    )


def blocks(look: Callable[[slice], Observations], total: int, size: int, ahead: bool) -> Iterator[tuple[int, Observations]]:
    """Where each block begins, and what it holds. `ahead`: a thread reads and sends the next one while this one is worked on,
    which on a GPU is half of the time."""
    slices = [slice(at, at + size) for at in range(0, total, size)]
    if not ahead:
        yield from ((rows.start, look(rows)) for rows in slices)
        return
    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(look, rows) for rows in slices[:1]]
        for rows, following in zip(slices, [*slices[1:], None], strict=True):
            seen = coming.pop().result()
            if following is not None:
                coming.append(reader.submit(look, following))
            yield rows.start, seen
