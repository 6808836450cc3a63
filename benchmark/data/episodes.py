"""Demonstrations on disk: memory-mapped uint8 frames plus actions, states, proprioception and episode bounds.

A folder holds `frames.npy` (N, V, H, W, 3), `actions.npy` (N, A), `states.npy` (N, S), `proprio.npy` (N, P), `ends.npy` (E,)
with the exclusive end of each episode, and `episodes.json` with the spec and one info entry per episode. Frames of all episodes
follow one another; opening the folder reads nothing but headers. Where the episodes are of several data sets, `parts.json` has
a `Part` for each.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.contracts.data import ARRAYS, DataSpec, Episode, Observations, Part, check_episode
from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.core.seeds import numpy_rng
from benchmark.core.typed import from_json
from benchmark.data.draws import Shares
from benchmark.storage.files import seal, unseal

PARTS = "parts.json"


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
    parts: tuple[Part, ...] = ()  # the data sets that follow one another in it; none: it is of one

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
        """Episode numbers for training and held out: by whole trajectory, the same for every stage and method. Of several data
        sets each is split by itself, so that none is without held-out episodes."""
        counts = [part.episodes for part in self.parts] or [len(self)]
        for count in counts:
            if not 0 < held_out_of(count, held_out) < count:
                raise BenchmarkError(f"split.held_out={held_out:g} of {count} demonstrations {NOTHING_LEFT}")
        first = np.cumsum([0, *counts[:-1]])
        splits = [split(count, held_out) for count in counts]
        training, rest = ([side[n] + start for side, start in zip(splits, first, strict=True)] for n in (0, 1))
        return np.concatenate(training), np.concatenate(rest)

    @property
    def part_of(self) -> np.ndarray:
        """The number of the data set that each episode is of."""
        return np.repeat(np.arange(max(1, len(self.parts))), [part.episodes for part in self.parts] or [len(self)])

    @property
    def shares(self) -> Shares | None:
        """How often training draws from which data set; None where all samples are equal."""
        shares = [part.share for part in self.parts if part.share is not None]
        return Shares(self.part_of, tuple(part.name for part in self.parts), tuple(shares)) if shares else None


NOTHING_LEFT = "leaves none to train on or to hold out"


def held_out_of(episodes: int, share: float) -> int:
    """How many of so many."""
    return max(1, round(share * episodes)) if episodes > 1 else 0


def split(episodes: int, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of so many episodes are trained on and which are held out, known before any exists."""
    order, n = numpy_rng("split", episodes).permutation(episodes), held_out_of(episodes, held_out)
    return np.sort(order[n:]), np.sort(order[:n])


class DemosWriter:
    """Streams episodes into a folder; frames go straight to disk, so memory does not grow with the data set.

    With a `journal`, a folder of its own, what was added outlives a crash: a new writer on the same two folders goes on after
    the episodes it finds there.
    """

    def __init__(self, folder: Path, spec: DataSpec, journal: Path | None = None, parts: Sequence[Part] = ()):
        self.folder, self.spec, self.journal, self.parts = folder, spec, journal, parts
        self._frame = (len(spec.views), spec.resolution, spec.resolution, 3)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "frames.npy"
        self._columns: dict[str, list[np.ndarray]] = {name: [] for name in ARRAYS}
        self._ends: list[int] = []
        self._infos: list[dict[str, Any]] = []
        self._file = path.open("r+b" if journal and path.is_file() else "w+b")
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
        """Take in the episodes that are both noted and there, up to the first that is not as it was; forget the others."""
        journal.mkdir(parents=True, exist_ok=True)
        start, per_step, whole = self._file.tell(), int(np.prod(self._frame)), True
        for path in sorted(journal.glob("*.npz")):
            note = _noted(path) if whole else None
            whole = note is not None and self._holds(note, per_step)
            if note and whole:
                self._keep(note.arrays, note.info)
            else:
                path.unlink()
        self._file.truncate(start + (self._ends[-1] if self._ends else 0) * per_step)
        self._file.seek(0, os.SEEK_END)

    def _holds(self, note: _Note, per_step: int) -> bool:
        """Whether the frames that come next in the file are those of a note."""
        frames = self._file.read(len(note.arrays["actions"]) * per_step)
        return hashlib.sha256(frames).digest() == note.frames

    def finish(self) -> None:
        if not self._ends:
            raise BenchmarkError(f"no episodes were written to {self.folder}")
        if self.parts and (told := sum(part.episodes for part in self.parts)) != len(self):
            raise BenchmarkError(f"{self.folder}: its data sets have {told} episodes together, {len(self)} were written")
        self._file.seek(0)
        self._write_header(self._ends[-1])
        self._file.close()
        for name in ARRAYS:
            np.save(self.folder / f"{name}.npy", np.concatenate(self._columns[name]))
        np.save(self.folder / "ends.npy", np.asarray(self._ends, np.int64))
        text = json.dumps({"spec": asdict(self.spec), "episodes": self._infos}, indent=1, sort_keys=True)
        (self.folder / "episodes.json").write_text(text)
        if self.parts:
            (self.folder / PARTS).write_text(json.dumps([asdict(part) for part in self.parts], indent=1))

    def _write_header(self, steps: int) -> None:
        """numpy pads the header so that the first axis can grow in place: the frames behind it never move."""
        header = {"descr": "|u1", "fortran_order": False, "shape": (steps, *self._frame)}
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclass(frozen=True)
class _Note:
    """What a journal says of an episode whose frames are in the file of all frames: those have their checksum here."""

    arrays: dict[str, np.ndarray]
    info: dict[str, Any]
    frames: bytes


def _note(path: Path, episode: Episode) -> None:
    file = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(getattr(episode, name), np.float32) for name in ARRAYS}
    frames = hashlib.sha256(np.ascontiguousarray(episode.frames).tobytes()).digest()
    for name, text in {"info": json.dumps(episode.info).encode(), "frames": frames}.items():
        arrays[name] = np.frombuffer(text, np.uint8)
    np.savez(file, **arrays)
    seal(path, file.getvalue())


def _noted(path: Path) -> _Note | None:
    """A note, if it is whole."""
    try:
        data = unseal(path)
    except Corrupt:
        return None
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in ARRAYS}
        return _Note(arrays, json.loads(file["info"].tobytes()), file["frames"].tobytes())


def open_demos(folder: Path) -> Demos:
    text = json.loads((folder / "episodes.json").read_text())
    frames = np.load(folder / "frames.npy", mmap_mode="r", allow_pickle=False)
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in (*ARRAYS, "ends")}
    file = folder / PARTS
    parts = [from_json(Part, part) for part in json.loads(file.read_text())] if file.is_file() else ()
    return Demos(DataSpec.from_json(text["spec"]), frames, infos=text["episodes"], parts=tuple(parts), **arrays)
