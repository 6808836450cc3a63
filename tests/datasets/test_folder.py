"""A plain folder of episodes: what comes in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.datasets.folder import Folder


def test_images_and_episodes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for episode in (2, 10):
        images = tmp_path / f"ep{episode}" / "camera"
        images.mkdir(parents=True)
        for step in range(12):
            Image.fromarray(np.full((8, 8, 3), 20 * step + episode, np.uint8)).save(images / f"{step}.png")
        np.savez(tmp_path / f"ep{episode}" / "data.npz", actions=np.arange(12.0)[:, None].astype(np.float32))
    episodes = list(Folder(tmp_path).episodes(0, None))
    shown = [[int(frame.flat[0]) for frame in np.asarray(list(episode.frames))] for episode in episodes]
    assert shown == [[20 * step + number for step in range(12)] for number in (2, 10)]
