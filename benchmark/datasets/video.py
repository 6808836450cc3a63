"""Frames of a video file, in order, through the ffmpeg that imageio ships."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import PIXELS, allow_pixels
from benchmark.datasets.files import existing

# No frame is larger than the budget's. A file is opened as what it claims to be, a video: a playlist posing as one could name
# other files or hosts. Damage that the decoder notices ends the video, instead of being painted over.
INPUT = [
    *("-protocol_whitelist", "file", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"),
    *("-xerror", "-err_detect", "explode", "-max_pixels", str(PIXELS)),
    *("-threads", "1"),  # each would keep frames of its own
]
TOO_LARGE = "exceeds specified max pixel count"  # ffmpeg's words
OUTPUT = ["-fps_mode", "passthrough"]  # every frame once, whatever its time stamp


class Video:
    """A video read forwards. Going back starts again from the beginning."""

    def __init__(self, path: Path):
        self.path = existing(path)
        self.fps = 0.0
        self._position = 0
        self._frames = self._open()

    def take(self, first: int, count: int) -> Iterator[np.ndarray]:
        """Frames `first` to `first + count`."""
        if first < self._position:
            self.close()
            self._frames = self._open()
        for number in range(self._position, first + count):
            frame = next(self._frames, None)
            if frame is None:
                raise BenchmarkError(
                    f"{self.path} ends after {number} frames, {first + count} are needed: truncated or damaged"
                )
            self._position = number + 1
            if number >= first:
                yield frame

    def rest(self) -> Iterator[np.ndarray]:
        """All frames from here on."""
        yield from self._frames

    def close(self) -> None:
        self._frames.close()

    def _open(self) -> Generator[np.ndarray, None, None]:
        self._position = 0
        frames = self._decode()
        next(frames)
        return frames

    def _decode(self) -> Generator[np.ndarray, None, None]:
        """First an empty array, when the file has proved to be a video; then its frames."""
        import imageio_ffmpeg

        stream = imageio_ffmpeg.read_frames(str(self.path.absolute()), input_params=INPUT, output_params=OUTPUT)
        try:
            meta = next(stream)
            self.fps = float(meta["fps"])
            width, height = meta["size"]
            allow_pixels(width, height, f"{self.path}: a frame")
            yield np.zeros(0, np.uint8)
            for data in stream:
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        except (OSError, RuntimeError, StopIteration, ValueError) as error:
            lines = str(error).strip().split("\n")
            reason = next((line for line in lines if TOO_LARGE in line), lines[-1])
            raise BenchmarkError(f"{self.path} is no video that can be read, or it is truncated: {reason}") from error
        finally:
            stream.close()
