"""Batches of windows for pretraining: every window of every training episode, shuffled anew each epoch.

Windows never cross an episode and reach its last frame (the DynaMo release stops one short). The order is a pure function of
seed and step, so a resumed run continues exactly where it stopped without having stored any state.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts.data import Windows
from benchmark.contracts.method import BatchSpec
from benchmark.core.collective import mine
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import numpy_rng
from benchmark.data.episodes import Demos
from benchmark.data.shuffle import Shuffle

RESIDENT_SHARE = 0.5  # of a GPU's free memory that frames may take; the rest is for the network and its activations
UPLOAD = 1 << 26  # bytes of frames that go to the device at once


class WindowSampler:
    """Frames live on the device where they fit: a batch is then a gather there, without a transfer. Elsewhere they are gathered
    from the memory map. The batches are the same bits either way."""

    def __init__(
        self,
        demos: Demos,
        episodes: np.ndarray,
        spec: BatchSpec,
        batch_size: int,
        seed: int,
        device: str = "cpu",
        resident: bool | None = None,
    ):
        span = (spec.window - 1) * spec.stride + 1
        starts = [np.arange(demos.starts[e], demos.ends[e] - span + 1) for e in episodes]
        first = np.concatenate(starts)
        if not len(first):
            raise BenchmarkError(
                f"no demonstration is as long as a window of {spec.window} frames {spec.stride} apart ({span} steps)"
            )
        self.demos, self.spec, self.seed, self.device = demos, spec, seed, device
        self.batch_size = min(batch_size, len(first))
        numbers = np.repeat(episodes, [len(s) for s in starts])
        resident = fits(demos.frames.nbytes, device) if resident is None else resident
        self._frames = upload(demos.frames, device) if resident else None
        self._home = device if resident else "cpu"  # where the tables are, and rows are looked up
        self._starts, self._episode = self._table(first), self._table(numbers)
        self._actions, self._proprio, self._begins = map(self._table, (demos.actions, demos.proprio, demos.starts))
        self._offsets = self._table(np.arange(spec.window) * spec.stride)
        self._acted = self._table(np.arange(span)) if spec.between else self._offsets
        draws, home = demos.shares.draws(numbers, "windows", seed) if demos.shares else None, self._home
        used = self.steps_per_epoch * self.batch_size

        def order(epoch: int) -> Tensor:
            rows = draws.epoch(epoch) if draws else numpy_rng("windows", seed, epoch).permutation(len(first))
            return torch.from_numpy(np.ascontiguousarray(rows[:used])).to(home)

        self._shuffle = Shuffle(used, self.batch_size, order)

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self._starts) // self.batch_size)

    @property
    def frames_per_step(self) -> int:
        return self.batch_size * self.spec.window * len(self.demos.spec.views)

    def batch_at(self, step: int) -> Windows:
        """The batch of a step; of one that several processes share, this one's part. Each epoch drops the remainder that does
        not fill a batch: another one each time."""
        chosen = mine(self._shuffle.at(step))
        first, episode = self._starts[chosen, None], self._episode[chosen]
        rows = first + self._offsets
        return Windows(
            frames=self._look(rows).permute(0, 1, 2, 5, 3, 4),
            actions=self._send(self._actions[first + self._acted]),
            proprio=self._send(self._proprio[rows]),
            episode=self._send(episode),
            start=self._send(self._starts[chosen] - self._begins[episode]),
        )

    def _look(self, rows: Tensor) -> Tensor:
        if self._frames is not None:
            return self._frames[rows]
        return self._send(torch.from_numpy(np.asarray(self.demos.frames[rows.numpy()])))

    def _table(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._home)

    def _send(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)


def fits(size: int, device: str) -> bool:
    """Whether so many bytes of frames may live on the device. A processor reads them from the memory map just as well."""
    if torch.device(device).type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return size <= RESIDENT_SHARE * free


def upload(frames: np.ndarray, device: str) -> Tensor:
    """All frames on the device, block by block: host memory never holds more than one."""
    table = torch.empty(frames.shape, dtype=torch.uint8, device=device)
    block = max(1, UPLOAD // max(1, frames[:1].nbytes))
    for at in range(0, len(frames), block):
        table[at : at + block] = torch.from_numpy(np.array(frames[at : at + block]))
    return table
