"""Batches of windows for pretraining: every window of every training episode, shuffled anew each epoch.

Windows never cross an episode and reach its last frame (the DynaMo release stops one short). The order is a pure function of
seed and step, so a resumed run continues exactly where it stopped without having stored any state.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from benchmark.contracts.data import Windows
from benchmark.contracts.method import BatchSpec
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import numpy_rng
from benchmark.data.episodes import Demos


class WindowSampler:
    def __init__(self, demos: Demos, episodes: np.ndarray, spec: BatchSpec, batch_size: int, seed: int, device: str = "cpu"):
        span = (spec.window - 1) * spec.stride + 1
        starts = [np.arange(demos.starts[e], demos.ends[e] - span + 1) for e in episodes]
        self.starts = np.concatenate(starts)
        self._episode = np.repeat(episodes, [len(s) for s in starts])
        if not len(self.starts):
            raise BenchmarkError(
                f"no demonstration is as long as a window of {spec.window} frames {spec.stride} apart ({span} steps)"
            )
        self.demos, self.spec, self.seed, self.device = demos, spec, seed, device
        self.batch_size = min(batch_size, len(self.starts))
        self._offsets = np.arange(spec.window) * spec.stride

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.starts) // self.batch_size)

    @property
    def frames_per_step(self) -> int:
        return self.batch_size * self.spec.window * len(self.demos.spec.views)

    def batch_at(self, step: int) -> Windows:
        """The batch of a step. Each epoch drops the remainder that does not fill a batch: another one each time."""
        epoch, position = divmod(step, self.steps_per_epoch)
        chosen = self._order(epoch)[position * self.batch_size : (position + 1) * self.batch_size]
        rows = self.starts[chosen, None] + self._offsets
        episode = self._episode[chosen]
        frames = torch.from_numpy(np.asarray(self.demos.frames[rows])).to(self.device, non_blocking=True)
        return Windows(
            frames=frames.permute(0, 1, 2, 5, 3, 4),
            actions=self._tensor(self.demos.actions[rows]),
            proprio=self._tensor(self.demos.proprio[rows]),
            episode=self._tensor(episode),
            start=self._tensor(self.starts[chosen] - self.demos.starts[episode]),
        )

    @lru_cache(maxsize=2)  # noqa: B019 - two epochs at most, and the sampler lives as long as its run
    def _order(self, epoch: int) -> np.ndarray:
        return numpy_rng("windows", self.seed, epoch).permutation(len(self.starts))

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, non_blocking=True)
