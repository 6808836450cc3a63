"""What every importer gives: a description of a data set, the files it reads, and a stream of its episodes.

Nothing about a source is guessed: what it does not say of its rate and its actions is unknown until the user says it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from benchmark.contracts.data import Episode
from benchmark.contracts.specs import UNKNOWN
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import check_episode
from benchmark.datasets.files import reading


@dataclass(frozen=True)
class Actions:
    """What the numbers of an action mean. Nothing here is guessed: what a source does not say is unknown."""

    representation: str = UNKNOWN  # one of contracts.specs.REPRESENTATIONS
    gripper: str = UNKNOWN  # which value opens it and which closes it
    units: str = UNKNOWN
    names: tuple[str, ...] = ()  # one per dimension; empty: unknown


@dataclass(frozen=True)
class Description:
    """What a source says of itself, before any image is decoded."""

    views: tuple[str, ...]
    episodes: int
    hz: float | None = None
    actions: Actions = Actions()
    notes: tuple[str, ...] = ()  # what a reader should know: which part was taken, what was left out
    env: str | None = None  # the simulator it was recorded in, if that is one of ours and can replay it


class Source(ABC):
    """A data set of some format. Opening one reads its metadata and says what is wrong with it."""

    format: ClassVar[str]
    looks_like: ClassVar[str]  # for the message when nothing is recognised

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether this looks like the format, judged by names only."""

    @abstractmethod
    def describe(self) -> Description: ...

    @abstractmethod
    def files(self) -> list[Path]:
        """All files that are read."""

    def episodes(self, start: int, side: int | None) -> Iterator[Episode]:
        """Episodes from number `start` on, frames stretched to `side` x `side`; None: as they are, if they are square."""
        stream = self._stream(start, side)
        while True:
            with reading(self.path):
                episode = next(stream, None)
            if episode is None:
                return
            yield episode

    @abstractmethod
    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        """What `episodes` gives."""


def make_episode(
    views: Mapping[str, Iterable[np.ndarray]],
    side: int | None,
    where: Path | str,
    *,
    actions: Any,
    states: Any = None,
    proprio: Any = None,
    info: Mapping[str, Any] | None = None,
    places: Mapping[str, Path] | None = None,
) -> Episode:
    """Frames (H, W, 3) of each view and rows of numbers -> a checked episode.

    `where` names the file in every complaint, and `places` those of the views, where they are others.
    """
    called = {view: f"{view} ({places[view]})" if places else view for view in views}
    images: dict[str, np.ndarray] = {}
    sizes: dict[str, list[int]] = {}
    for view, frames in views.items():
        images[view], sizes[view] = _square(frames, side, f"{where}, view {called[view]}")
    columns = {"actions": _rows(actions, where, "actions")}
    length = len(columns["actions"])
    for name, values in (("states", states), ("proprio", proprio)):
        columns[name] = np.zeros((length, 0), np.float32) if values is None else _rows(values, where, name)
    shapes = {view: frames.shape for view, frames in images.items()}
    if length and set(shapes.values()) != {(length, *next(iter(shapes.values()))[1:])}:
        counts = ", ".join(f"{shape[0]} of {shape[1]} pixels in {called[view]}" for view, shape in shapes.items())
        raise BenchmarkError(f"{where}: {length} actions, but frames: {counts}; pass --resolution where only sizes differ")
    frames = np.stack(list(images.values()), axis=1) if length else np.zeros((0, len(views), 1, 1, 3), np.uint8)
    episode = Episode(frames, **columns, info={**(info or {}), "recorded_size": sizes})
    check_episode(episode, (length, *frames.shape[1:]), {name: array.shape[1] for name, array in columns.items()}, str(where))
    return episode


def _square(frames: Iterable[np.ndarray], side: int | None, where: str) -> tuple[np.ndarray, list[int]]:
    """All frames at the wanted size, one after another, and the size they were recorded at."""
    done: list[np.ndarray] = []
    size: tuple[int, int] | None = None
    for frame in frames:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise BenchmarkError(f"{where}: a frame is {frame.dtype} {frame.shape}, expected uint8 (height, width, 3)")
        if size is None:
            size = frame.shape[:2]
            if side is None and size[0] != size[1]:
                raise BenchmarkError(
                    f"{where}: frames are {size[1]} x {size[0]}; say --resolution N to stretch them to a square"
                )
        if frame.shape[:2] != size:
            raise BenchmarkError(f"{where}: frame {len(done)} has another size than the first")
        done.append(stretch(frame, side or size[0]))
    if size is None:
        return np.zeros((0, side or 1, side or 1, 3), np.uint8), []
    return np.stack(done), list(size)


def stretch(frame: np.ndarray, side: int) -> np.ndarray:
    """To (side, side, 3), smoothly and whole: nothing is cropped."""
    if frame.shape[:2] == (side, side):
        return frame
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BILINEAR))


def _rows(values: Any, where: Path | str, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2):
        raise BenchmarkError(f"{where}: {name} are {array.dtype} {array.shape}, expected rows of numbers")
    return np.ascontiguousarray(array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0), np.float32)


def as_bytes(images: np.ndarray, where: Path | str) -> np.ndarray:
    """Images stored as numbers from 0 to 255 -> uint8."""
    if images.dtype == np.uint8:
        return images
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 255.0)
    if not (low >= 0 and 1 < high <= 255):
        raise BenchmarkError(f"{where}: images hold values from {low:g} to {high:g}, expected 0 to 255")
    return np.rint(images).astype(np.uint8)
