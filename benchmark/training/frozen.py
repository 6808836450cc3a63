"""What the frozen part of an encoder makes of all demonstrations, computed once before a joint training.

It pays where that part is most of a step and every frame is seen several times; so it is done on a processor, for a training
that sees more frames than there are, as long as the file stays below `MOST`. On a GPU the frozen network takes less time than
the copy of its maps would. With `joint.augment` pixels differ from step to step, and nothing can be kept.

The file has no name: however the process ends, its space is free again, and no later attempt can read one that is torn.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmark.contracts.encoder import FusedEncoder
from benchmark.core.errors import Diverged
from benchmark.core.progress import Task
from benchmark.data.episodes import Demos
from benchmark.models.features import frozen_of
from benchmark.models.precision import at_least_float32, autocast

MOST = 16 * 2**30  # bytes; our choice
BATCH = 32  # time steps at once
KEPT = np.float16  # numbers are of vectors of length 1: it is finer there than the bf16 that they are computed in


def pays(encoder: FusedEncoder, demos: Demos, seen: int, device: str) -> bool:
    """`seen`: time steps that a training will look at, repetitions counted."""
    numbers = demos.frames.shape[0] * _images(encoder, demos) * encoder.frozen_dim
    return device == "cpu" and 0 < numbers * np.dtype(KEPT).itemsize <= MOST and seen > len(demos.frames)


@torch.no_grad()
def compute(encoder: FusedEncoder, demos: Demos, precision: str, folder: Path, task: Task) -> np.ndarray:
    """(time steps, images, frozen_dim), memory-mapped. Written, not mapped: a full disk would kill whoever maps."""
    rows = len(demos.frames)
    encoder.eval()
    with tempfile.TemporaryFile(dir=folder) as file:
        for at in range(0, rows, BATCH):
            observations = demos.observations(slice(at, at + BATCH), "frames")
            with autocast("cpu", precision):
                block = at_least_float32(frozen_of(encoder, observations))
            if not block.isfinite().all():
                raise Diverged("the frozen part of the encoder produced NaN or infinite features")
            file.write(block.numpy().astype(KEPT).tobytes())
            task.update(min(at + BATCH, rows), rows, "features of the frozen network")
        file.flush()
        return np.memmap(file, KEPT, "r", shape=(rows, _images(encoder, demos), encoder.frozen_dim))


def _images(encoder: FusedEncoder, demos: Demos) -> int:
    """Of a time step: a view and its depth are one."""
    views = demos.frames.shape[1]
    return views // 2 if encoder.with_depth else views
