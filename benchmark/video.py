"""Films: of an expert's demonstration, and of evaluation episodes replayed exactly as they were recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MIN_SIDE = 256  # small frames are enlarged by whole factors: a film is for eyes


def write_video(frames: np.ndarray, path: Path, fps: float) -> None:
    """(T, V, H, W, 3) uint8 -> mp4, views side by side."""
    import imageio.v3 as imageio

    side_by_side = np.concatenate(list(np.moveaxis(frames, 1, 0)), axis=2)
    factor = max(1, -(-MIN_SIDE // side_by_side.shape[1]))
    enlarged = side_by_side.repeat(factor, axis=1).repeat(factor, axis=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, enlarged, fps=fps, macro_block_size=2, codec="libx264", quality=7)
