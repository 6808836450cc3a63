"""What every importer gives: a description of a data set, the files it reads, and a stream of its episodes.

Nothing about a source is guessed: what it does not say of its rate and its actions is unknown until the user says it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from benchmark.contracts.data import Episode, check_episode
from benchmark.contracts.specs import UNKNOWN
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import SHARE, advanced, allow
from benchmark.datasets.files import read_json, reading, require_packages

FACTS = "recording.json"
NUMBERS = "fiub"  # kinds of NumPy's types: a complex number is not silently made a real one


@dataclass(frozen=True)
class Actions:
    """What the numbers of an action mean. Nothing here is guessed: what a source does not say is unknown."""

    representation: str = UNKNOWN  # one of contracts.specs.REPRESENTATIONS
    gripper: str = UNKNOWN  # which value opens it and which closes it
    units: str = UNKNOWN
    names: tuple[str, ...] = ()  # one per dimension; empty: unknown


def stated(folder: Path) -> tuple[float | None, Actions]:
    """The rate and the meaning of actions that a person wrote into `recording.json`, if there is one."""
    path = folder / FACTS
    facts = read_json(path) if path.is_file() else {}
    hz = facts.get("hz")
    if not isinstance(hz, int | float | None):
        raise BenchmarkError(f"{path}: 'hz' is {hz!r}, expected a number")
    return hz, meaning(facts.get("actions", {}), path)


def meaning(said: Any, where: Path | str) -> Actions:
    """Of what a person wrote of actions."""
    names = said.get("names", []) if isinstance(said, dict) else None
    texts = ("representation", "gripper", "units")
    if not isinstance(names, list) or not all(isinstance(text, str) for text in (*names, *(said.get(n, "") for n in texts))):
        raise BenchmarkError(f"{where}: 'actions' may hold texts for {', '.join(texts)} and a list of names, not {said}")
    if unknown := sorted(set(said) - {*texts, "names"}):
        raise BenchmarkError(f"{where}: 'actions' may hold {', '.join(texts)} and names, not {', '.join(unknown)}")
    return Actions(**{**said, "names": tuple(names)})


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
    packages: ClassVar[tuple[str, ...]] = ()  # what it reads with

    def __init__(self, path: Path):
        self.path = path
        require_packages(self.format, *self.packages)

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
    columns = {"actions": _rows(actions, where, "actions")}
    length = len(columns["actions"])
    for name, values in (("states", states), ("proprio", proprio)):
        columns[name] = np.zeros((length, 0), np.float32) if values is None else _rows(values, where, name)
    taken = [_Frames(frames, side, f"{where}, view {called[view]}") for view, frames in views.items()]
    size = taken[0].side
    if any(view.side != size for view in taken) and length:
        sizes = ", ".join(f"{view.side} in {called[name]}" for name, view in zip(views, taken, strict=True))
        raise BenchmarkError(f"{where}: frames have pixels: {sizes}; pass --resolution to make them one size")
    allow(length * len(views) * size * size * 3, f"{where}: {length} steps of {len(views)} x {size} x {size} pixels", SHARE)
    frames = np.empty((length, len(views), size, size, 3), np.uint8)
    counts = [view.write(frames[:, index]) for index, view in enumerate(taken)]
    if any(count != length for count in counts) and length:
        told = ", ".join(f"{n} of {size} pixels in {called[view]}" for n, view in zip(counts, views, strict=True))
        raise BenchmarkError(f"{where}: {length} actions, but frames: {told}")
    recorded = [frames_of.recorded for frames_of in taken]
    episode = Episode(frames, **columns, info={**(info or {}), "recorded_size": recorded})
    check_episode(episode, (length, *frames.shape[1:]), {name: array.shape[1] for name, array in columns.items()}, str(where))
    if not columns["actions"].shape[1]:
        raise BenchmarkError(f"{where}: an action has no numbers")
    return episode


class _Frames:
    """The frames of a view at the wanted size, one after another; the first is looked at to know it."""

    def __init__(self, frames: Iterable[np.ndarray], side: int | None, where: str):
        self._frames, self._where = iter(frames), where
        self._first = next(self._frames, None)
        self.recorded: list[int] = []
        self.side = side or 1
        if self._first is not None:
            self._check(self._first)
            self.recorded = list(self._first.shape[:2])
            if side is None and self.recorded[0] != self.recorded[1]:
                height, width = self.recorded
                raise BenchmarkError(f"{where}: frames are {width} x {height}; say --resolution N to stretch them to a square")
            self.side = side or self.recorded[0]

    def write(self, out: np.ndarray) -> int:
        """Into (T, side, side, 3), as many as fit; how many there are."""
        count = 0
        for frame in chain([] if self._first is None else [self._first], self._frames):
            self._check(frame)
            if list(frame.shape[:2]) != self.recorded:
                raise BenchmarkError(f"{self._where}: frame {count} has another size than the first")
            if count < len(out):
                out[count] = stretch(frame, self.side)
            count += 1
            advanced()
        return count

    def _check(self, frame: np.ndarray) -> None:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise BenchmarkError(f"{self._where}: a frame is {frame.dtype} {frame.shape}, expected uint8 (height, width, 3)")


def stretch(frame: np.ndarray, side: int) -> np.ndarray:
    """To (side, side, 3), smoothly and whole: nothing is cropped."""
    if frame.shape[:2] == (side, side):
        return frame
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BILINEAR))


def _rows(values: Any, where: Path | str, name: str) -> np.ndarray:
    array = np.asarray(values)
    allow(2 * array.size * np.dtype(np.float32).itemsize, f"{where}: {name} of shape {array.shape}")
    if array.dtype.kind not in NUMBERS or array.ndim not in (1, 2):
        raise BenchmarkError(f"{where}: {name} are {array.dtype} {array.shape}, expected rows of numbers")
    return np.ascontiguousarray(array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0), np.float32)


def as_bytes(images: np.ndarray, where: Path | str) -> np.ndarray:
    """Images stored as numbers from 0 to 255 -> uint8."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "fiu":
        raise BenchmarkError(f"{where}: images are {images.dtype}, expected numbers from 0 to 255")
    low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 255.0)
    if not (low >= 0 and 1 < high <= 255):
        raise BenchmarkError(f"{where}: images hold values from {low:g} to {high:g}, expected 0 to 255")
    return np.rint(images).astype(np.uint8)
