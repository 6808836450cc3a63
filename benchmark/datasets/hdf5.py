"""HDF5 demonstrations: the LIBERO and robomimic layout (`data/demo_0/...`) and SpawnNet's one file per trajectory."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import advanced, allow
from benchmark.datasets.files import existing, natural, reading
from benchmark.datasets.source import NUMBERS, Actions, Description, Source, as_bytes, make_episode

SUFFIXES = (".hdf5", ".h5")
ROBOT = re.compile(r"robot\d+_|joint_states$|gripper_states$|ee_states$")  # what robomimic and LIBERO call proprioception
DENSEST = 1100  # times that a stored byte can count once inflated: the limit of gzip, HDF5's own compression
LIBERO = Actions("delta", "-1 opens, +1 closes", "1 is 0.05 m or 0.5 rad of the end effector")


class Hdf5(Source):
    format = "hdf5"
    looks_like = "a *.hdf5 or *.h5 file with data/demo_N, or a folder of trajectories with obs/rgb and actions"
    packages = ("h5py",)

    def __init__(self, path: Path):
        super().__init__(path)
        self._files = _find(path)
        if not self._files:
            raise BenchmarkError(f"{path} holds no *.hdf5 or *.h5 files")
        self._items: list[tuple[Path, str]] = []
        self._facts: dict[str, Any] = {}
        for file in self._files:
            self._items += [(file, name) for name in self._names(file)]
        if not self._items:
            raise BenchmarkError(f"{path} holds no demonstrations: neither data/demo_N nor groups with obs/rgb")
        with opened(*self._items[0]) as demo:
            self._views = tuple(demo.images())

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_find(path))

    def describe(self) -> Description:
        actions = LIBERO if "problem_info" in self._facts else Actions()
        return Description(self._views, len(self._items), self._facts.get("hz"), actions)

    def files(self) -> list[Path]:
        return self._files

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        for file, name in self._items[start:]:
            with opened(file, name) as demo:
                yield demo.episode(side, self._views)

    def _names(self, file: Path) -> list[str]:
        """The trajectories of a file in their natural order; what its attributes say is kept."""
        with opened(file, "/") as whole:
            if not whole.has("data"):
                return [name for name in sorted(whole.group) if whole.item(name) and whole.has(f"{name}/obs/rgb")]
            attributes = whole.item("data").attrs
            self._facts |= {key: attributes[key] for key in ("problem_info",) if key in attributes}
            if "env_args" in attributes:
                env_args = json.loads(attributes["env_args"])
                if rate := env_args.get("env_kwargs", {}).get("control_freq"):
                    self._facts["hz"] = float(rate)
        return trajectories(file)


def trajectories(path: Path) -> list[str]:
    """The demonstrations of a robomimic file in their natural order; a link is no demonstration of it."""
    with opened(path, "data") as data:
        names = [name for name in data.group if data.item(name) and data.has(f"{name}/actions")]
    return [f"data/{name}" for name in sorted(names, key=natural)]


@contextmanager
def opened(path: Path, name: str) -> Iterator[Trajectory]:
    import h5py

    where = f"{path}, {name}"
    with reading(where), h5py.File(existing(path), "r") as file:
        yield Trajectory(file, name, where)


class Trajectory:
    """One trajectory in an opened file."""

    def __init__(self, file: Any, name: str, where: str):
        self._file, self.name, self.where = file, name, where
        self.group = self.item()
        advanced()

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def item(self, name: str = "") -> Any:
        if (found := self._find(name)) is None:
            raise BenchmarkError(f"{self.where}: {name or self.name} is not in this file")
        return found

    def _find(self, name: str) -> Any:
        """What lies in this very file under a name: another file could be anything, a pipe that never ends too."""
        import h5py

        item = self._file
        for part in filter(None, f"{self.name}/{name}".split("/")):
            link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise BenchmarkError(f"{self.where}: {name or self.name} is no part of this file (links are not followed)")
            item = item[part]
        return item

    def read(self, name: str) -> np.ndarray:
        """A dataset of numbers that lies in this very file."""
        import h5py

        item = self._find(name)
        if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
            raise BenchmarkError(f"{self.where}: {name} is no dataset of this file")
        if item.dtype.kind not in NUMBERS:
            raise BenchmarkError(f"{self.where}: {name} holds {item.dtype}, expected numbers")
        stored, claimed = item.id.get_storage_size(), item.size * item.dtype.itemsize
        if claimed > DENSEST * stored:
            raise BenchmarkError(
                f"{self.where}: {name} claims {item.dtype} {item.shape}, but the file holds {stored} bytes of it"
            )
        allow(claimed, f"{self.where}: {name}, unpacked,")
        allow(math.prod(item.chunks or ()) * item.dtype.itemsize, f"{self.where}: a chunk of {name}")
        return item[()]

    def images(self) -> list[str]:
        observations = {name: found for name in self.item("obs") if (found := self._find(f"obs/{name}")) is not None}
        if "rgb" in observations and getattr(observations["rgb"], "ndim", 0) == 5:
            return [f"rgb_{index}" for index in range(observations["rgb"].shape[1])]
        names = [n for n, item in observations.items() if getattr(item, "ndim", 0) == 4 and item.shape[-1] == 3]
        if not names:
            raise BenchmarkError(
                f"{self.where}: obs holds no images; extract them with robomimic's dataset_states_to_obs first"
            )
        return sorted(names)

    def episode(self, side: int | None, views: tuple[str, ...]) -> Episode:
        if tuple(self.images()) != views:
            raise BenchmarkError(f"{self.where} has the views {', '.join(self.images())}, the first has {', '.join(views)}")
        actions = self.read("actions")
        steps = len(actions)
        if views[0].startswith("rgb_"):
            rgb = np.moveaxis(as_bytes(self._steps("obs/rgb", steps), self.where), 2, -1)
            frames = {view: rgb[:, index] for index, view in enumerate(views)}
            proprio = [self._steps("obs/state", steps)] if self.has("obs/state") else []
            return make_episode(frames, side, self.where, actions=actions, proprio=_beside(proprio, steps))
        # LIBERO notes how its images lie in memory: "opengl" begins with the bottom row
        parent = self.group.parent.attrs
        rows = slice(None, None, -1 if parent.get("macros_image_convention") == "opengl" else 1)
        names = sorted(name for name in self.group["obs"] if ROBOT.match(name) and name not in views)
        task = json.loads(parent["problem_info"]).get("language_instruction") if "problem_info" in parent else None
        return make_episode(
            {view: as_bytes(self._steps(f"obs/{view}", steps), self.where)[:, rows] for view in views},
            side,
            self.where,
            actions=actions,
            states=self._steps("states", steps) if self.has("states") else None,
            proprio=_beside([self._steps(f"obs/{name}", steps) for name in names], steps),
            info={"task": task} if task else {},
        )

    def _steps(self, name: str, steps: int) -> np.ndarray:
        """A dataset with a row per action; the observation after the last action is dropped."""
        values = self.read(name)
        return values[:steps] if len(values) == steps + 1 else values


def _beside(columns: list[np.ndarray], steps: int) -> np.ndarray | None:
    return np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1) if columns and steps else None


def _find(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix in SUFFIXES else []
    return sorted(file for suffix in SUFFIXES for file in path.rglob(f"*{suffix}"))
