"""Pictures and films as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def png(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="PNG")
    return file.getvalue()


def write_video(path: Path, frames: np.ndarray, fps: float) -> None:
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    size = frames.shape[1:3][::-1]
    options = ["-crf", "5", "-g", "2"]
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=fps, quality=None, macro_block_size=2, output_params=options)
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
