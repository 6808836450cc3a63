"""Videos: of an expert's demonstration, and of evaluation episodes replayed exactly as they were recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

MIN_SIDE = 256  # small frames are enlarged by whole factors: a video is for eyes


def write_video(frames: np.ndarray, path: Path, fps: float) -> None:
    """(T, V, H, W, 3) uint8 -> mp4, views side by side."""
    import imageio.v3 as imageio

    side_by_side = np.concatenate(list(np.moveaxis(frames, 1, 0)), axis=2)
    factor = max(1, -(-MIN_SIDE // side_by_side.shape[1]))
    enlarged = side_by_side.repeat(factor, axis=1).repeat(factor, axis=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(path, enlarged, fps=fps, macro_block_size=2, codec="libx264", quality=7)


def video_name(cell: Mapping[str, Any], episode: int | str, score: float | str) -> str:
    """The file of a recorded episode. It names the rollout: the same cell under other settings has other videos."""
    variant = re.sub(r"[^\w.@]+", "_", cell["variant"]) or "full"  # it may be an address, with slashes
    words = [cell["env"], cell["method"], variant, cell["policy"], f"seed{cell['seed']}"]
    shown = score if isinstance(score, str) else f"{score:g}"
    return f"{'-'.join([*words, cell['stages']['rollout'][:10]])}-episode{episode}-score{shown}.mp4"
