"""A stage on a machine that this process does not see: what is sent there, and what it tells meanwhile.

News go through the store, as results do: a small file for each stage that runs. The stage takes it away when it ends; whoever
hears that its process is gone does so for one that was killed.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.launch.base import End, Ending, published
from benchmark.launch.events import Observer
from benchmark.launch.execute import Executor
from benchmark.launch.task import add_components, added_components, execute_key
from benchmark.planning.graph import RunCell, Stage
from benchmark.storage.artifacts import StageFailure, Store
from benchmark.storage.files import write_text

EVERY = 5.0  # seconds between two news of one stage: a shared file system has thousands of them


class RemoteTask:
    """A stage by its key. Strings only: what is pickled in a queue for days must not hold code that changes meanwhile."""

    def __init__(self, key: str, home: Path):
        self.key, self.home = key, str(home)
        self.added = {
            room: [f"{c.__module__}:{c.__qualname__}" for c in classes] for room, classes in added_components().items()
        }

    def __call__(self) -> Ending:
        add_components({room: [_load(where) for where in names] for room, names in self.added.items()})
        store = Store(Path(self.home))
        ending = self._execute(store)
        if ending.end is End.FAILED and store.failure(self.key) is None:
            store.note_failure(self.key, StageFailure(ending.reason))
        return ending

    def _execute(self, store: Store) -> Ending:
        try:
            stage, _ = published(store, self.key)
        except BenchmarkError as error:
            return Ending(self.key, End.FAILED, str(error))
        absent = [ref for ref in stage.inputs.values() if not store.has(ref.kind, ref.key)]
        if any(failure and not failure.memory for failure in (store.failure(ref.key) for ref in absent)):
            return Ending(self.key, End.FAILED, "a stage it builds on failed")
        if absent:
            return Ending(self.key, End.TAKEN, f"{absent[0]} is not there: the job that makes it was lost")
        news = News(store)
        executor = Executor(store, Reporter(), observer=news)
        try:
            return execute_key(executor, self.key, patient=True)  # of a lost attempt a claim may be left for a while
        finally:
            news.forget(self.key)


class News:
    """An observer that leaves word in the store of the stages that run here."""

    def __init__(self, store: Store):
        self._folder = store.root / "running"
        self._last = 0.0

    def stage_started(self, stage: Stage) -> None:
        self._folder.mkdir(exist_ok=True)
        self._write(stage, 0.0, 0.0, "")

    def stage_progress(self, stage: Stage, done: float, total: float, note: str) -> None:
        if time.monotonic() - self._last >= EVERY:
            self._write(stage, done, total, note)

    def stage_finished(self, stage: Stage, seconds: float) -> None: ...

    def stage_failed(self, stage: Stage, reason: str) -> None: ...

    def stage_interrupted(self, stage: Stage) -> None: ...

    def run_started(self, cells: Sequence[RunCell]) -> None: ...

    def cell_finished(self, cell: RunCell) -> None: ...

    def cell_failed(self, cell: RunCell) -> None: ...

    def forget(self, key: str) -> None:
        (self._folder / f"{key}.json").unlink(missing_ok=True)

    def _write(self, stage: Stage, done: float, total: float, note: str) -> None:
        self._last = time.monotonic()
        write_text(self._folder / f"{stage.key}.json", json.dumps([done, total, note]))


class Listener:
    """Tells an observer what it finds of stages that run elsewhere."""

    def __init__(self, store: Store, observer: Observer):
        self._store, self._observer = store, observer
        self._told: dict[str, tuple[float, Stage]] = {}  # when it started

    def look(self, stages: Mapping[str, Stage]) -> None:
        for path in (self._store.root / "running").glob("*.json"):
            if (stage := stages.get(path.stem)) is None:
                continue
            if path.stem not in self._told:
                self._told[path.stem] = time.monotonic(), stage
                self._observer.stage_started(stage)
            try:
                done, total, note = json.loads(path.read_text())
            except (OSError, ValueError, TypeError):
                continue  # it has ended just now, or the note is damaged
            if total:
                self._observer.stage_progress(stage, done, total, note)

    def ended(self, ending: Ending) -> None:
        """Of one that failed the stage itself says why; nobody else does."""
        News(self._store).forget(ending.key)
        if ending.key not in self._told:
            return
        since, stage = self._told.pop(ending.key)
        if ending.end is End.DONE:
            self._observer.stage_finished(stage, time.monotonic() - since)
        elif ending.end is End.FAILED:
            self._observer.stage_failed(stage, ending.reason)
        else:
            self._observer.stage_interrupted(stage)


def _load(where: str) -> type:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
