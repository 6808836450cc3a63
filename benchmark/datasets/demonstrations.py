"""Demonstrations of this benchmark's own: the folder that `data make` prints, of any simulator or policy that left one.

So what a simulator's expert does can be mixed with what robots did: it says itself what its actions mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import ARRAYS, DataSpec, Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.files import load_array, read_json, reading
from benchmark.datasets.source import Actions, Description, Source, make_episode

FACTS = "episodes.json"
FILES = ("frames.npy", "ends.npy", *(f"{name}.npy" for name in ARRAYS))


class Demonstrations(Source):
    format = "demonstrations"
    looks_like = "a folder that `data make` left: episodes.json, frames.npy, actions.npy, ends.npy"

    def __init__(self, path: Path):
        super().__init__(path)
        said = read_json(path / FACTS)
        with reading(path / FACTS):
            self._spec, self._infos = DataSpec.from_json(said["spec"]), [dict(info) for info in said["episodes"]]
        self._arrays = {name.removesuffix(".npy"): load_array(path / name) for name in FILES}
        ends = self._arrays.pop("ends")
        if ends.ndim != 1 or ends.dtype.kind not in "iu" or (np.diff(ends, prepend=0) < 1).any():
            raise BenchmarkError(f"{path / 'ends.npy'}: the ends of the episodes are not whole numbers that rise")
        if len(ends) != len(self._infos) or any(len(array) != ends[-1] for array in self._arrays.values()):
            rows = ", ".join(f"{len(array)} {name}" for name, array in self._arrays.items())
            raise BenchmarkError(f"{path}: {len(self._infos)} episodes, {len(ends)} ends up to {ends[-1]}, and {rows}")
        self._frames, self._ends = self._arrays.pop("frames"), [int(end) for end in ends]
        if self._frames.ndim != 5 or self._frames.shape[1] != len(self._spec.views):
            raise BenchmarkError(
                f"{path / 'frames.npy'} has shape {self._frames.shape}, and {len(self._spec.views)} views are named"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path / FACTS).is_file() and (path / "frames.npy").is_file()

    def describe(self) -> Description:
        action = self._spec.action
        meaning = Actions(action.representation, action.gripper, action.units, action.names) if action else Actions()
        return Description(self._spec.views, len(self._ends), self._spec.hz, meaning)

    def files(self) -> list[Path]:
        return [self.path / name for name in (FACTS, *FILES)]

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        for number, (first, end) in enumerate(pairwise([0, *self._ends])):
            if number >= start:
                yield self._episode(self._infos[number], slice(first, end), side, f"{self.path}, episode {number}")

    def _episode(self, info: Mapping[str, Any], rows: slice, side: int | None, where: str) -> Episode:
        views = {name: iter(self._frames[rows, index]) for index, name in enumerate(self._spec.views)}
        numbers: dict[str, Any] = {name: self._arrays[name][rows] for name in ARRAYS}
        return make_episode(views, side, where, info=info, **numbers)
