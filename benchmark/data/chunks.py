"""Training samples of a policy: windows of cached features and the action chunks that follow, gathered on the device.

Every time step of every chosen episode is one sample. The history before the first step repeats the first observation and the
chunk after the last step repeats the last action, marked invalid; nothing at either end is dropped (the DynaMo release loses
the last observations of each trajectory). A batch is two gathers through index tables built once, without Python per sample.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import PolicyConfig
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import torch_rng
from benchmark.data.draws import Shares
from benchmark.data.shuffle import Shuffle

Array = Tensor | np.ndarray
GOAL_WORDS = ("last", "future")


class ChunkSampler:
    """Samples of the chosen episodes in an order that is a pure function of (seed, step): training resumes at any step.

    `goals` says what a goal-conditioned policy is shown: None; "last", the features of the episode's last observation (LIBERO);
    "future", hindsight relabelling with a uniformly drawn observation from now to the end; or a table (episodes, G) with
    anything else, such as one-hot tasks or language embeddings. Outside training ("future" in `batch` and `all`) the goal is
    the last observation.

    `proprio` (rows, P) and `language` (episodes, L) are for policies that take these by themselves, `taken` for those that
    learn from every observation of the history: what was done there. Where the history repeats the first one, so does this.
    `shares` says how often which data set is drawn from.
    """

    def __init__(
        self,
        features: Array,
        actions: Array,
        starts: np.ndarray,
        ends: np.ndarray,
        episodes: np.ndarray,
        config: PolicyConfig,
        *,
        seed: int = 0,
        goals: Array | str | None = None,
        proprio: Array | None = None,
        language: Array | None = None,
        taken: bool = False,
        device: torch.device | str = "cpu",
        shares: Shares | None = None,
    ):
        if len(episodes) == 0:
            raise BenchmarkError("there are no episodes to take policy samples from")
        self.batch_size, self.seed, self.device = config.batch_size, seed, torch.device(device)
        self.features = _on_device(features, self.device)
        self.actions = _on_device(actions, self.device).float()
        self.proprio = None if proprio is None else _on_device(proprio, self.device).float()
        self.language = None if language is None else _on_device(language, self.device).float()

        episodes = np.asarray(episodes, np.int64)
        lengths = np.asarray(ends)[episodes] - np.asarray(starts)[episodes]
        episode = np.repeat(episodes, lengths)
        first, last = np.asarray(starts)[episode], np.asarray(ends)[episode] - 1
        within = np.arange(len(episode)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        self.rows, self._first, self._last, self._episode = (
            _on_device(x, self.device) for x in (first + within, first, last, episode)
        )
        self._draws = shares.draws(episode, "chunks", seed) if shares else None
        self._taken = taken
        self._past = config.stride * torch.arange(config.history - 1, -1, -1, device=self.device)
        self._ahead = torch.arange(config.chunk, device=self.device)

        self._observed = isinstance(goals, str)
        self._hindsight = self._observed and goals == "future"
        self._goals, self._goal_rows = self._goal_table(goals)
        self._shuffle = Shuffle(len(self), self.batch_size, self._draw_permutation)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in which every sample is met at least once."""
        return math.ceil(len(self) / self.batch_size)

    def batch(self, indices: Tensor) -> Chunks:
        """The samples with these numbers."""
        indices = indices.to(self.device)
        return self._gather(indices, self._goal_rows[indices] if self._goal_rows is not None else None)

    def batch_at(self, step: int) -> Chunks:
        """The training batch of an optimiser step: the next samples in an endless row of shuffled epochs."""
        indices = self._shuffle.at(step)
        if not self._hindsight:
            return self.batch(indices)
        row, last = self.rows[indices], self._last[indices]
        uniform = torch.rand(len(indices), generator=torch_rng("hindsight", self.seed, step)).to(self.device)
        return self._gather(indices, row + (uniform * (last - row + 1)).long())

    def all(self) -> Chunks:
        """Every sample, for `Policy.prepare`."""
        return self.batch(torch.arange(len(self)))

    def _gather(self, indices: Tensor, goal_rows: Tensor | None) -> Chunks:
        row, first, last = (table[indices, None] for table in (self.rows, self._first, self._last))
        past, ahead = torch.maximum(row - self._past, first), row + self._ahead
        return Chunks(
            features=self.features[past].float(),
            actions=self.actions[torch.minimum(ahead, last)],
            valid=ahead <= last,
            goal=None if self._goals is None else self._goals[goal_rows].float(),
            rows=past,
            goal_rows=goal_rows if self._observed else None,
            proprio=None if self.proprio is None else self.proprio[past],
            language=None if self.language is None else self.language[self._episode[indices]],
            taken=self.actions[past] if self._taken else None,
        )

    def _goal_table(self, goals: Array | str | None) -> tuple[Tensor | None, Tensor | None]:
        """A table of goals and the row in it of each sample's goal."""
        if goals is None:
            return None, None
        if isinstance(goals, str):
            if goals not in GOAL_WORDS:
                raise BenchmarkError(f"goals '{goals}' is none of {', '.join(GOAL_WORDS)}")
            return self.features, self._last
        return _on_device(goals, self.device), self._episode

    def _draw_permutation(self, epoch: int) -> Tensor:
        if self._draws:
            return torch.from_numpy(self._draws.epoch(epoch)).to(self.device)
        return torch.randperm(len(self), generator=torch_rng("chunks", self.seed, epoch)).to(self.device)


def _on_device(array: Array, device: torch.device) -> Tensor:
    return array.to(device) if isinstance(array, Tensor) else torch.tensor(np.asarray(array), device=device)
