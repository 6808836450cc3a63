"""A folder of data sets, as Open X-Embodiment is kept: each becomes a recording of its own, several at a time.

What was imported is checked again, against its own checksums and against those of its source; its facts and a contact sheet lie
in `<home>/inspected/`. Run again, it goes on where it stopped, episode by episode.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Task
from benchmark.datasets import FORMATS, importer
from benchmark.datasets.budget import Limits
from benchmark.datasets.files import reading, survey
from benchmark.datasets.inspect import contact_sheet, inspect
from benchmark.datasets.recordings import check_name, import_recording, verify
from benchmark.storage.artifacts import Store
from benchmark.storage.files import write_text

INSPECTED = "inspected"
MB, GB, HOUR = 1e6, 1e9, 3600.0


@dataclass(frozen=True)
class Imported:
    """One of them: what it has become, or why not."""

    name: str
    bytes: int  # of its source
    error: str = ""
    episodes: int = 0
    frames: int = 0


def data_sets_in(folder: Path, format_name: str = "auto") -> list[Path]:
    """The data sets in a folder that is none itself, by names only; none where it is one."""
    formats = [importer(name) for name in (FORMATS if format_name == "auto" else [format_name])]
    with reading(folder):
        if not folder.is_dir() or any(cls.recognises(folder) for cls in formats):
            return []
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return [path for path in inner if any(cls.recognises(path) for cls in formats)]


def import_all(
    store: Store,
    folders: Sequence[Path],
    task: Task,
    *,
    jobs: int,
    format_name: str = "auto",
    side: int | None = None,
    episodes: int | None = None,
    stated: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> list[Imported]:
    """In the order of the folders; one that fails keeps none of the others."""
    sizes = {path: survey(path) for path in folders}
    progress = Progress(task, sizes)

    def one(path: Path) -> Imported:
        try:
            name = check_name(path.name)
            settings = {"format_name": format_name, "side": side, "episodes": episodes, "stated": stated, "limits": limits}
            import_recording(store, path, name, progress.of(path), **settings)  # type: ignore[arg-type]
            verify(store, name)
            facts = _inspected(store, name)
        except (BenchmarkError, OSError) as error:
            return Imported(path.name, sizes[path], error=str(error))
        progress.update(path, 1.0, 1.0, "checked")
        return Imported(name, sizes[path], episodes=facts["looked_at"], frames=facts["frames"])

    with ThreadPoolExecutor(max(1, min(jobs, len(folders)))) as pool:  # each reads in a process of its own
        return list(pool.map(one, folders))


def _inspected(store: Store, name: str) -> dict[str, Any]:
    """The facts, kept with a contact sheet."""
    facts, demos = inspect(store, name)
    folder = store.root / INSPECTED
    contact_sheet(demos, folder / f"{name}.png")
    write_text(folder / f"{name}.json", json.dumps(facts, indent=1))
    return facts


class Progress:
    """Of several imports in one line: megabytes of their sources, and how fast they go."""

    def __init__(self, task: Task, sizes: dict[Path, int]):
        self._task, self._sizes, self._lock = task, sizes, threading.Lock()
        self._done: dict[Path, float] = {}
        self._before: dict[Path, float] = {}  # what was there when this run began: none of its work
        self._start = time.monotonic()

    def of(self, path: Path) -> Task:
        return _Part(self, path)

    def update(self, path: Path, share: float, before: float, note: str) -> None:
        """How far a data set is, and how far it was when it was first looked at."""
        with self._lock:
            self._before.setdefault(path, before * self._sizes[path])
            self._done[path] = share * self._sizes[path]
            done = sum(self._done.values())
            rate = (done - sum(self._before.values())) / GB / max(time.monotonic() - self._start, 1e-3) * HOUR
            total = sum(self._sizes.values())
            self._task.update(round(done / MB), round(total / MB), f"MB, {rate:.1f} GB/h, {path.name}: {note}")


class _Part(Task):
    """Of one import, told to all."""

    def __init__(self, progress: Progress, path: Path):
        self._progress, self._path = progress, path

    def update(self, done: float, total: float, note: str = "") -> None:
        if note == "episodes":  # not of the checksums before
            self._progress.update(self._path, done / total, (done - 1) / total, f"{done:g} of {total:g} episodes")
