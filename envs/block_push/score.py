"""What an episode of block pushing is worth."""

from __future__ import annotations

import numpy as np

from benchmark.envs.block_push.layout import INSIDE


class Tally:
    """Watches which blocks are in which targets; colours do not matter."""

    def __init__(self) -> None:
        self._entered: set[tuple[int, int]] = set()
        self._now = self._best = 0

    def see(self, blocks: np.ndarray, targets: np.ndarray) -> None:
        """Positions (2, 2) and (2, 2), after every step. Targets lie so far apart that no block can be in both."""
        inside = np.linalg.norm(blocks[:, None] - targets[None], axis=-1) < INSIDE
        self._entered.update(zip(*map(np.ndarray.tolist, np.nonzero(inside)), strict=True))
        self._now = int(inside.any(axis=0).sum())
        self._best = max(self._best, self._now)

    @property
    def complete(self) -> bool:
        return self._best == 2

    def scores(self) -> dict[str, float]:
        """`blocks`: the most that were in distinct targets at one time. `entered`: first entries of any block into any target,
        up to four, also if it left again or the other was there already; what the release calls the score."""
        return {
            "blocks": float(self._best),
            "blocks_at_end": float(self._now),
            "entered": float(len(self._entered)),
            "success": float(self.complete),
        }
