"""Demonstrations on disk: memory-mapped uint8 frames plus actions, states, proprioception and episode bounds.

A folder holds `frames.npy` (N, V, H, W, 3), `actions.npy` (N, A), `states.npy` (N, S), `proprio.npy` (N, P), `ends.npy` (E,)
with the exclusive end of each episode, and `episodes.json` with the spec and one info entry per episode. Frames of all episodes
follow one another; opening the folder reads nothing but headers.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.contracts.data import DataSpec, Episode, Observations, check_episode
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import numpy_rng

ARRAYS = ("actions", "states", "proprio")


@dataclass
class Demos:
    """Opened demonstrations. `frames` is a memory map; the small arrays are in memory."""

    spec: DataSpec
    frames: np.ndarray
    actions: np.ndarray
    states: np.ndarray
    proprio: np.ndarray
    ends: np.ndarray
    infos: list[dict[str, Any]]

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate([[0], self.ends[:-1]])

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.ends, prepend=0)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.ends)

    def steps_of(self, episodes: np.ndarray) -> np.ndarray:
        """Row indices of all steps of some episodes, in order."""
        return np.concatenate([np.arange(self.starts[e], self.ends[e]) for e in episodes])

    def observations(self, rows: slice | np.ndarray, reads: str, device: torch.device | str = "cpu") -> Observations:
        """Those of some rows: proprioception, and what an encoder that `reads` frames or the state looks at."""

        def copied(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.array(array[rows])).to(device, non_blocking=True)

        proprio = copied(self.proprio)
        if reads == "state":
            return Observations(state=copied(self.states), proprio=proprio)
        return Observations(frames=copied(self.frames), proprio=proprio)

    def split(self, held_out: float) -> tuple[np.ndarray, np.ndarray]:
        """Episode numbers for training and held out: by whole trajectory, the same for every stage and method."""
        return split(len(self), held_out)


def split(episodes: int, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of so many episodes are trained on and which are held out, known before any exists."""
    order = numpy_rng("split", episodes).permutation(episodes)
    n = max(1, round(held_out * episodes)) if episodes > 1 else 0
    return np.sort(order[n:]), np.sort(order[:n])


class DemosWriter:
    """Streams episodes into a folder; frames go straight to disk, so memory does not grow with the data set.

    With a `journal`, a folder of its own, what was added outlives a crash: a new writer on the same two folders goes on after
    the episodes it finds there.
    """

    def __init__(self, folder: Path, spec: DataSpec, journal: Path | None = None):
        self.folder, self.spec, self.journal = folder, spec, journal
        self._frame = (len(spec.views), spec.resolution, spec.resolution, 3)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "frames.npy"
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
        self._ends: list[int] = []
        self._infos: list[dict[str, Any]] = []
        self._file = path.open("r+b" if journal and path.is_file() else "wb")
        self._write_header(0)
        if journal:
            self._recover(journal)

    def __len__(self) -> int:
        """Episodes so far."""
        return len(self._ends)

    def add(self, episode: Episode) -> None:
        widths = {"actions": self.spec.action_dim, "states": self.spec.state_dim, "proprio": self.spec.proprio_dim}
        check_episode(episode, (len(episode.actions), *self._frame), widths, f"episode {len(self)}")
        self._file.write(np.ascontiguousarray(episode.frames).tobytes())
        if self.journal:
            self._file.flush()
            os.fsync(self._file.fileno())
            _note(self.journal / f"{len(self):08d}.npz", episode)
        self._keep({name: np.asarray(getattr(episode, name), np.float32) for name in ARRAYS}, episode.info)

    def _keep(self, arrays: dict[str, np.ndarray], info: dict[str, Any]) -> None:
        for name in ARRAYS:
            self._columns[name].append(arrays[name])
        self._ends.append((self._ends[-1] if self._ends else 0) + len(arrays["actions"]))
        self._infos.append(info)

    def _recover(self, journal: Path) -> None:
        """Take in the episodes that are both noted and there, up to the first that is not whole; forget the others."""
        journal.mkdir(parents=True, exist_ok=True)
        start, per_step = self._file.tell(), int(np.prod(self._frame))
        held = (self._file.seek(0, os.SEEK_END) - start) // per_step
        for path in sorted(journal.glob("*.npz")):
            note = _noted(path) if held >= 0 else None
            held = held - len(note[0]["actions"]) if note else -1
            if note and held >= 0:
                self._keep(*note)
            else:
                path.unlink()
        self._file.truncate(start + (self._ends[-1] if self._ends else 0) * per_step)
        self._file.seek(0, os.SEEK_END)

    def finish(self) -> None:
        if not self._ends:
            raise BenchmarkError(f"no episodes were written to {self.folder}")
        self._file.seek(0)
        self._write_header(self._ends[-1])
        self._file.close()
        for name in ARRAYS:
            np.save(self.folder / f"{name}.npy", np.concatenate(self._columns[name]))
        np.save(self.folder / "ends.npy", np.asarray(self._ends, np.int64))
        text = json.dumps({"spec": asdict(self.spec), "episodes": self._infos}, indent=1, sort_keys=True)
        (self.folder / "episodes.json").write_text(text)

    def _write_header(self, steps: int) -> None:
        """numpy pads the header so that the first axis can grow in place: the frames behind it never move."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (steps, *self._frame)}
        np.lib.format.write_array_header_1_0(self._file, header)


def _note(path: Path, episode: Episode) -> None:
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        arrays: dict[str, Any] = {name: np.asarray(getattr(episode, name), np.float32) for name in ARRAYS}
        np.savez(file, info=np.frombuffer(json.dumps(episode.info).encode(), np.uint8), **arrays)
    beside.replace(path)


def _noted(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The arrays and the info of a note, if it is whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ARRAYS}, json.loads(file["info"].tobytes())
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def open_demos(folder: Path) -> Demos:
    text = json.loads((folder / "episodes.json").read_text())
    frames = np.load(folder / "frames.npy", mmap_mode="r", allow_pickle=False)
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in (*ARRAYS, "ends")}
    return Demos(DataSpec.from_json(text["spec"]), frames, infos=text["episodes"], **arrays)
