"""Artifacts on disk. Files are the truth: a folder named by the hash of everything that determines it.

    <root>/<kind>/<key>/            the artifact and its manifest.json
    <root>/building/<kind>-<key>/   `out` becomes the artifact; `work` keeps checkpoints until it does
    <root>/quarantine/              artifacts that did not match their manifest
    <root>/locks/                   one lock per artifact (claims.py)
    <root>/plans/, last.json        what was requested of this store (planning/history.py)
    <root>/stages/<key>.json        stages that any process can execute by key (launch/base.py)
    <root>/failures/<key>.json      why a stage could not be built

An artifact is built in a folder of its own and renamed into place, so it is there whole or not at all. It is verified against
the checksums of its manifest when a process first opens it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.storage.claims import Claims
from benchmark.storage.files import checksum, flush, write_text
from benchmark.storage.manifests import Manifest

KINDS = ("demos", "collect", "pretrain", "embed", "probe", "tokenize", "fit", "rollout", "visualize", "video")
FOLDERS = ("building", "quarantine", "locks", "plans", "stages", "failures")
MANIFEST = "manifest.json"
VERSION = 2
VERSION_FILE = "store.json"


@dataclass
class Building:
    """The two folders of an artifact that is being made."""

    out: Path
    work: Path


@dataclass(frozen=True)
class StageFailure:
    """Why a stage could not be built. `unavailable`: something is not on the machine that tried; nothing is wrong with it."""

    error: str
    unavailable: bool = False


class Store:
    """One store. Several processes may use it at once."""

    def __init__(self, root: Path):
        self.root = root.absolute()
        self.claims = Claims(self.root / "locks")
        self._verified: set[Path] = set()
        self._refuse_other_versions()

    def prepare(self) -> Store:
        """Create the folders, or say why that is impossible, before any work starts. Returns the store itself."""
        try:
            for name in (*KINDS, *FOLDERS):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            if not (self.root / VERSION_FILE).is_file():
                write_text(self.root / VERSION_FILE, json.dumps({"version": VERSION}))
            probe = self.root / "building" / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise BenchmarkError(
                f"the store {self.root} is not writable ({error.strerror}); choose another with --home or BENCHMARK_HOME"
            ) from error
        return self

    def _refuse_other_versions(self) -> None:
        path = self.root / VERSION_FILE
        try:
            version = json.loads(path.read_text())["version"] if path.is_file() else None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BenchmarkError(f"{path} cannot be read ({error}): choose another store with --home") from error
        if version is None and any(self.keys(kind) for kind in KINDS):
            version = 1
        if version not in (None, VERSION):
            raise BenchmarkError(
                f"the store {self.root} is of version {version} and this program makes version {VERSION}: "
                "choose another with --home or BENCHMARK_HOME, or remove it"
            )

    def folder(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        return (self.folder(kind, key) / MANIFEST).is_file()

    def manifest(self, kind: str, key: str) -> Manifest:
        """That of a stage's artifact."""
        try:
            return Manifest.parse(self.raw_manifest(kind, key))
        except BenchmarkError as error:
            raise Corrupt(f"{self.folder(kind, key) / MANIFEST} is no manifest of this version: {error}") from error

    def raw_manifest(self, kind: str, key: str) -> dict[str, Any]:
        """As JSON: what recordings have is their own."""
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
        for name, entry in self.raw_manifest(kind, key)["files"].items():
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

    def lock(self, kind: str, key: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the lock of an artifact; `waiting` is called once if another process has it, and may raise."""
        return self.claims.hold(kind, key, waiting)

    def building_folder(self, kind: str, key: str) -> Path:
        return self.root / "building" / f"{kind}-{key}"

    @contextmanager
    def building(self, kind: str, key: str) -> Iterator[Building]:
        """The folders to build in, with what an interrupted attempt left in `work`. The caller holds the lock."""
        base = self.building_folder(kind, key)
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
            flush(path)
        text = json.dumps({**manifest, "kind": kind, "key": key, "files": files}, indent=1, sort_keys=True)
        write_text(building.out / MANIFEST, text)
        building.out.rename(self.folder(kind, key))
        flush(self.root / kind)
        shutil.rmtree(building.out.parent)
        self._verified.add(self.folder(kind, key))

    def keys(self, kind: str) -> list[str]:
        return sorted(p.name for p in (self.root / kind).glob("*") if (p / MANIFEST).is_file())

    def find(self, prefix: str) -> tuple[str, str]:
        """The (kind, key) an abbreviated key stands for."""
        matches = [
            (kind, key)
            for kind in KINDS
            for key in self.keys(kind)
            if key.startswith(prefix) or f"{kind}/{key}".startswith(prefix)
        ]
        if len(matches) != 1:
            count = f"{len(matches)} artifacts" if matches else "no artifact"
            raise BenchmarkError(f"{count} in {self.root} begin with '{prefix}'")
        return matches[0]

    def note_failure(self, key: str, failure: StageFailure | None) -> None:
        """Remember why a stage failed, or forget it."""
        path = self.root / "failures" / f"{key}.json"
        if failure is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, json.dumps({"error": failure.error, "unavailable": failure.unavailable}))

    def failure(self, key: str) -> StageFailure | None:
        path = self.root / "failures" / f"{key}.json"
        return StageFailure(**json.loads(path.read_text())) if path.is_file() else None
