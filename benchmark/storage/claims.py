"""Who is building what: one lock per artifact, so that two runs on one store share the work instead of doing it twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class Claims:
    def __init__(self, folder: Path):
        self.folder = folder

    @contextmanager
    def hold(self, kind: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of an artifact; `waiting` is called once if another process has it, and may raise."""
        lock = self._lock(kind, key)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def try_hold(self, kind: str, key: str) -> Iterator[bool]:
        """Whether the lock could be had at once; if so it is held while the block runs."""
        lock = self._lock(kind, key)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, kind: str, key: str) -> FileLock:
        return FileLock(self.folder / f"{kind}-{key}.lock")
