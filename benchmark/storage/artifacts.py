"""Artifacts on disk. Files are the truth: a folder named by the hash of everything that determines it.

    <root>/<kind>/<key>/            the artifact and its manifest.json
    <root>/building/<kind>-<key>/   `out` becomes the artifact; `work` keeps checkpoints until it does
    <root>/quarantine/              artifacts that did not match their manifest
    <root>/locks/                   one lock per artifact: two runs on one store share work instead of doing it twice

An artifact is written beside and renamed into place, so it is there whole or not at all. It is verified against the checksums
of its manifest when a process first opens it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark.core.errors import BenchmarkError, Corrupt

KINDS = ("demos", "pretrain", "embed", "probe", "fit", "rollout")
MANIFEST = "manifest.json"


def key_of(value: Any) -> str:
    """The hash that names an artifact: of canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass
class Building:
    """The two folders of an artifact in the making."""

    out: Path
    work: Path


class Store:
    """One store. Several processes may use it at once."""

    def __init__(self, root: Path):
        self.root = root.absolute()
        self._verified: set[Path] = set()

    def prepare(self) -> Store:
        """Create the folders, or say why that is impossible, before any work starts. Returns the store itself."""
        try:
            for name in (*KINDS, "building", "quarantine", "locks", "plans", "failures"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / "building" / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise BenchmarkError(
                f"the store {self.root} is not writable ({error.strerror}); choose another with --home or BENCHMARK_HOME"
            ) from error
        return self

    def folder(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        return (self.folder(kind, key) / MANIFEST).is_file()

    def manifest(self, kind: str, key: str) -> dict[str, Any]:
        path = self.folder(kind, key) / MANIFEST
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Corrupt(f"{path} cannot be read: {error}") from error

    def open(self, kind: str, key: str) -> Path:
        """The folder of an artifact whose every file is what the manifest says; otherwise `Corrupt`."""
        folder = self.folder(kind, key)
        if folder not in self._verified:
            self.verify(kind, key)
            self._verified.add(folder)
        return folder

    def verify(self, kind: str, key: str) -> None:
        folder = self.folder(kind, key)
        for name, entry in self.manifest(kind, key)["files"].items():
            path = folder / name
            if not path.is_file():
                raise Corrupt(f"{path} is missing")
            if path.stat().st_size != entry["bytes"]:
                raise Corrupt(f"{path} has {path.stat().st_size} bytes, its manifest says {entry['bytes']}")
            if checksum(path) != entry["sha256"]:
                raise Corrupt(f"{path} does not match the checksum in its manifest")

    def quarantine(self, kind: str, key: str) -> Path:
        """Move a corrupt artifact out of the way, keeping it for whoever wants to know what happened."""
        target = self.root / "quarantine" / f"{kind}-{key}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        self.folder(kind, key).rename(target)
        return target

    @contextmanager
    def lock(self, kind: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of an artifact; `waiting` is called once if another process has it, and may raise."""
        lock = FileLock(self.root / "locks" / f"{kind}-{key}.lock")
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
    def building(self, kind: str, key: str) -> Iterator[Building]:
        """The folders to build in, with what an interrupted attempt left in `work`. The caller holds the lock."""
        base = self.root / "building" / f"{kind}-{key}"
        out, work = base / "out", base / "work"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        work.mkdir(exist_ok=True)
        try:
            yield Building(out, work)
        except OSError as error:
            shutil.rmtree(out, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise BenchmarkError(
                    f"the disk is full: {kind} {key} was not stored in {self.root}. Free some space "
                    f"(`python -m benchmark results gc` lists what can go) and run the same command again: it goes on from here"
                ) from error
            raise

    def commit(self, kind: str, key: str, building: Building, manifest: Mapping[str, Any]) -> None:
        """Checksum, write the manifest, flush, and rename into place."""
        files = {}
        for path in sorted(p for p in building.out.rglob("*") if p.is_file()):
            files[path.relative_to(building.out).as_posix()] = {"sha256": checksum(path), "bytes": path.stat().st_size}
            _flush(path)
        text = json.dumps({**manifest, "kind": kind, "key": key, "files": files}, indent=1, sort_keys=True)
        write_text(building.out / MANIFEST, text)
        building.out.rename(self.folder(kind, key))
        _flush(self.root / kind)
        shutil.rmtree(building.out.parent)
        self._verified.add(self.folder(kind, key))

    def keys(self, kind: str) -> list[str]:
        return sorted(p.name for p in (self.root / kind).glob("*") if (p / MANIFEST).is_file())

    def find(self, prefix: str) -> tuple[str, str]:
        """The (kind, key) an abbreviated key stands for."""
        found = [
            (kind, key)
            for kind in KINDS
            for key in self.keys(kind)
            if key.startswith(prefix) or f"{kind}/{key}".startswith(prefix)
        ]
        if len(found) != 1:
            raise BenchmarkError(
                f"{'no artifact' if not found else f'{len(found)} artifacts'} in {self.root} begin with '{prefix}'"
            )
        return found[0]

    def note_failure(self, key: str, error: str | None) -> None:
        """Remember why a stage failed, or forget it."""
        path = self.root / "failures" / f"{key}.json"
        if error is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, json.dumps({"error": error}))

    def failure(self, key: str) -> str | None:
        path = self.root / "failures" / f"{key}.json"
        return json.loads(path.read_text())["error"] if path.is_file() else None


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace a file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    _flush(beside)
    beside.replace(path)


def _flush(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
