"""Demonstrations of noise: what pixels show does not change how long a step takes."""

from __future__ import annotations

import numpy as np

from benchmark.contracts.data import DataSpec
from benchmark.data.episodes import Demos

LENGTH = 120  # steps of an episode; the human demonstrations of Push-T have 125 on average
ACTION, PROPRIO, STATE = 2, 2, 5  # sizes, those of Push-T


def noise(resolution: int, episodes: int, env: str) -> Demos:
    spec = DataSpec(env, ("top",), resolution, ACTION, PROPRIO, STATE, 10.0)
    rng, n = np.random.default_rng(0), episodes * LENGTH
    frames = rng.integers(0, 256, (n, 1, resolution, resolution, 3), dtype=np.uint8)
    actions, states, proprio = (rng.normal(size=(n, width)).astype(np.float32) for width in (ACTION, STATE, PROPRIO))
    ends = np.arange(1, episodes + 1) * LENGTH
    return Demos(spec, frames, actions, states, proprio, ends, [{} for _ in range(episodes)])
