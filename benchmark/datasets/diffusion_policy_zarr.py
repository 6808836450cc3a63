"""Diffusion Policy's replay buffers: zarr version 2, `data/action` and other arrays of steps, and `meta/episode_ends`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.source import Actions, Description, Source, as_bytes, make_episode
from benchmark.datasets.zarr_v2 import ZarrArray

REPLAYED = [(5,), (2,)]  # numbers of a state and of an action that envs/pusht can replay
# What the files do not say and their authors' code does: rate, meaning of the actions, simulator.
KNOWN = {"pusht_cchi_v7_replay.zarr": (10.0, Actions("absolute", "none", "pixels of a 512 x 512 table"), "pusht")}


class DiffusionPolicyZarr(Source):
    format = "diffusion_policy_zarr"
    looks_like = "a folder NAME.zarr with data/action and meta/episode_ends, or the folder around it"
    packages = ("numcodecs",)

    def __init__(self, path: Path):
        root = _root(path)
        if root is None:
            raise BenchmarkError(f"{path} is no Diffusion Policy replay buffer; expected {self.looks_like}")
        super().__init__(root)
        found = {folder.name: ZarrArray(folder) for folder in sorted((root / "data").iterdir()) if folder.is_dir()}
        if "action" not in found:
            raise BenchmarkError(f"{root / 'data' / 'action'} does not exist")
        steps = len(found["action"])
        for array in found.values():
            if len(array) != steps:
                raise BenchmarkError(f"{array.folder} has {len(array)} rows, data/action has {steps}")
        self._actions = found.pop("action")
        self._pictures = {name: array for name, array in found.items() if len(array.shape) == 4 and array.shape[3] == 3}
        self._proprio = [
            array for name, array in found.items() if name.startswith(("robot", "agent")) and len(array.shape) == 2
        ]
        self._states = [found["state"]] if "state" in found and len(found["state"].shape) == 2 else []
        used = [*self._pictures.values(), *self._proprio, *self._states]
        self._unused = [name for name, array in found.items() if array not in used]
        if not self._pictures:
            raise BenchmarkError(f"{root / 'data'} holds no images: no array of shape (steps, height, width, 3)")
        self._ends_array = ZarrArray(root / "meta" / "episode_ends")
        ends = self._ends_array.read(0, len(self._ends_array))
        if ends.ndim != 1 or (np.rint(ends) != ends).any() or (np.diff(ends, prepend=0) < 1).any() or ends[-1] != steps:
            raise BenchmarkError(
                f"{self._ends_array.folder}: the ends of the episodes are not whole numbers that rise to {steps} steps"
            )
        self._ends = ends.astype(np.int64)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return _root(path) is not None

    def describe(self) -> Description:
        hz, actions, env = KNOWN.get(self.path.name, (None, Actions(), None))
        widths = [array.shape[1:] for array in (*self._states, self._actions)]
        notes = (f"not taken: {', '.join(self._unused)}",) if self._unused else ()
        return Description(tuple(self._pictures), len(self._ends), hz, actions, notes, env if widths == REPLAYED else None)

    def files(self) -> list[Path]:
        arrays = [self._actions, self._ends_array, *self._pictures.values(), *self._proprio, *self._states]
        return sorted(path for array in arrays for path in array.folder.iterdir() if path.is_file())

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        for number in range(start, len(self._ends)):
            first, last = int(self._ends[number - 1]) if number else 0, int(self._ends[number])
            yield make_episode(
                {name: as_bytes(array.read(first, last), array.folder) for name, array in self._pictures.items()},
                side,
                f"{self.path}, episode {number}",
                actions=self._actions.read(first, last),
                states=_beside(self._states, first, last),
                proprio=_beside(self._proprio, first, last),
            )


def _beside(arrays: list[ZarrArray], first: int, last: int) -> np.ndarray | None:
    return np.concatenate([array.read(first, last) for array in arrays], axis=1) if arrays else None


def _root(path: Path) -> Path | None:
    inner = [path, *(sorted(path.glob("*.zarr")) if path.is_dir() else [])]
    found = [p for p in inner if (p / "data" / "action").is_dir() and (p / "meta" / "episode_ends").is_dir()]
    return found[0] if len(found) == 1 else None
