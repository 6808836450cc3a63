"""An endless row of shuffled epochs, cut into batches of one size: which rows a step takes is a function of the step alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor


class Shuffle:
    """`order(epoch)`: the numbers of all rows, shuffled. A batch may begin in one epoch and end in the next."""

    def __init__(self, rows: int, batch_size: int, order: Callable[[int], Tensor]):
        self._rows, self._batch_size = rows, batch_size
        self._order = lru_cache(maxsize=2)(order)

    def at(self, step: int) -> Tensor:
        """The rows of the batch of a step."""
        start, n = step * self._batch_size, self._rows
        stop = start + self._batch_size
        epochs = range(start // n, (stop - 1) // n + 1)
        return torch.cat([self._order(e)[max(start - e * n, 0) : stop - e * n] for e in epochs])
