"""Made-up results whose ceiling, floor and noise are chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.fake_results import MEANS, RANGES, make


def setting(
    envs: tuple[str, ...] = ("pusht",),
    *,
    state: float,
    random: float,
    seeds: int = 3,
    episodes: int = 40,
    noise: float = 0.04,
    swing: float = 0.0,
    policies: tuple[str, ...] = ("mlp",),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(records, cells) of `make`; scores are shares of the range: the mean of the row, every other episode `noise` above it and
    the others below. The trained rows swing with the seed, by `swing` up, down and not at all; the floor by a fifth of that."""
    records, cells = make(envs, policies, seeds, episodes)
    share = {**MEANS, ("state", ""): state, ("random", ""): random}
    means = np.array([share[row] for row in zip(records.method, records.variant, strict=True)])
    swings = records.method.map({"state": 0.0, "random": swing / 5}).fillna(swing) * (records.seed % 3).map({0: 1, 1: -1, 2: 0})
    alternating = np.where(records.episode % 2, noise, -noise)
    records["score"] = (means + swings + alternating) * records.env.map(RANGES)
    return records, cells
