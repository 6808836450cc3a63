"""A plain folder: per episode one .npz with `actions` (and `states`, `proprio`) and its images beside it.

Either `NAME.npz` with the video `NAME.mp4`, or a folder per episode with one .npz and, per view, a video or a folder of images
in the order of the numbers in their names. `recording.json` at the top may say {"hz": ..., "actions": {"representation": ...,
"gripper": ..., "units": ..., "names": [...]}}; without it the rate is that of the videos.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.files import load_arrays, natural, read_picture
from benchmark.datasets.source import FACTS, Description, Source, make_episode, stated
from benchmark.datasets.video import Video

VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov")
IMAGES = (".png", ".jpg", ".jpeg", ".webp")
NUMBERS = ("actions", "states", "proprio")


class Folder(Source):
    format = "folder"
    looks_like = "a folder with NAME.npz beside NAME.mp4, or one folder per episode with an .npz and videos or image folders"

    def __init__(self, path: Path):
        super().__init__(path)
        self._items = [(npz, _views(npz)) for npz in _episodes(path)]
        if not self._items:
            raise BenchmarkError(f"{path} holds no episodes; expected {self.looks_like}")
        first = tuple(self._items[0][1])
        for npz, views in self._items:
            if not views or tuple(views) != first:
                raise BenchmarkError(f"{npz} has the views {', '.join(views) or '(none)'}, the first has {', '.join(first)}")
        taken = {place for _, views in self._items for place in views.values()}
        for folder in (path, *sorted(p for p in path.iterdir() if p.is_dir() and p not in taken)):
            if left := [place for place in _places(folder) if place not in taken and not any(place.glob("*.npz"))]:
                raise BenchmarkError(f"{left[0]} holds images without an .npz of their actions; expected {self.looks_like}")
        self._views = first
        self._said = stated(path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.is_dir() and any(_views(npz) for npz in _episodes(path))

    def describe(self) -> Description:
        hz, actions = self._said
        hz = hz or next((Video(p).fps for p in self._items[0][1].values() if _video(p)), None)
        return Description(self._views, len(self._items), hz, actions)

    def files(self) -> list[Path]:
        images = [p for _, views in self._items for view in views.values() for p in ([view] if _video(view) else _images(view))]
        return [*([self.path / FACTS] if (self.path / FACTS).is_file() else []), *(npz for npz, _ in self._items), *images]

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        for npz, views in self._items[start:]:
            arrays = load_arrays(npz, NUMBERS)
            if "actions" not in arrays:
                raise BenchmarkError(f"{npz} has no 'actions'; it has {', '.join(arrays) or 'nothing'} of {', '.join(NUMBERS)}")
            frames = {view: Video(path).rest() if _video(path) else _pictures(path) for view, path in views.items()}
            yield make_episode(
                frames,
                side,
                npz,
                actions=arrays["actions"],
                states=arrays.get("states"),
                proprio=arrays.get("proprio"),
                info={"recorded_as": npz.relative_to(self.path).as_posix()},
                places=views,
            )


def _episodes(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(path.glob("*.npz"), key=natural) or sorted(path.glob("*/*.npz"), key=natural)


def _views(npz: Path) -> dict[str, Path]:
    """View name -> a video file or a folder of images."""
    beside = _places(npz.parent)
    if own := [p for p in beside if _video(p) and p.stem == npz.stem]:
        return {"camera": own[0]}
    return {p.stem if _video(p) else p.name: p for p in beside} if len(list(npz.parent.glob("*.npz"))) == 1 else {}


def _places(folder: Path) -> list[Path]:
    """The videos in a folder, then the folders of images."""
    inner = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
    return [*filter(_video, inner), *(p for p in inner if not _video(p) and p.is_dir() and _images(p))]


def _video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def _images(folder: Path) -> list[Path]:
    return sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGES), key=natural)


def _pictures(folder: Path) -> Iterator[np.ndarray]:
    return (read_picture(path) for path in _images(folder))
