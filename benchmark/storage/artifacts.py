"""Artifacts on disk. Files are the truth: a folder named by the hash of everything that determines it.

    <root>/<kind>/<key>/              the artifact and its manifest.json
    <root>/building/<kind>-<key>/*/   one folder per attempt: `out` becomes the artifact; `work` keeps checkpoints until it does
    <root>/quarantine/                what did not match its manifest
    <root>/claims/                    who is building what (claims.py)
    <root>/plans/, last.json          what was requested of this store (planning/history.py)
    <root>/stages/<key>.json          stages that any process can execute by key (launch/base.py)
    <root>/failures/<key>.json        why a stage could not be built

An artifact is built in a folder of its attempt and renamed into place, so it is there whole or not at all. It is verified
against the checksums of its manifest when a process first opens it; the manifest carries its own.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError, Corrupt, Unreadable
from benchmark.core.typed import from_json, to_json
from benchmark.storage import litter
from benchmark.storage.claims import Claims
from benchmark.storage.files import checksum, discard, entries, flush, is_full, read_bytes, write_text
from benchmark.storage.manifests import FileEntry, Manifest, parse_raw, signed
from benchmark.storage.processes import token

KINDS = ("demos", "collect", "pretrain", "embed", "probe", "tokenize", "fit", "rollout", "visualize", "video")
FOLDERS = ("building", "quarantine", "claims", "plans", "stages", "failures")
MANIFEST = "manifest.json"
SOME = 5  # of many artifacts, in a message
OUT, WORK = "out", "work"  # of an attempt
VERSION = 2
VERSION_FILE = "store.json"
FORBIDDEN = "may not be read by this user: whoever wrote it has to allow that, `chmod -R a+rX` on the folder that it lies in"
AWAY = (errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT)  # of a disk on a network


class TakenOver(BenchmarkError):
    """This process was silent for so long that another one builds the artifact now, from where it was."""

    def __init__(self, kind: str, key: str):
        super().__init__(f"another process took {kind} {key} over, because this one gave no sign of life for a minute")


@dataclass
class Building:
    """The two folders of an artifact that is being made."""

    out: Path
    work: Path


@dataclass(frozen=True)
class StageFailure:
    """Why a stage could not be built. `unavailable`: something is not on the machine that tried; nothing is wrong with it.
    `memory`: which one was too small for it, `machine` or `gpu`; it may be tried again."""

    error: str
    unavailable: bool = False
    memory: str | None = None


class Store:
    """One store. Several processes may use it at once."""

    def __init__(self, root: Path):
        self.root = root.absolute()
        self.claims = Claims(self.root / "claims")
        self._verified: set[Path] = set()
        self._root = str(self.root)
        self._manifests: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {}  # what was read of which file
        self._parsed: dict[tuple[str, str], tuple[dict[str, Any], Manifest]] = {}  # and what it was parsed to
        self._refuse_other_versions()

    def prepare(self) -> Store:
        """Create the folders, or say why that is impossible, before any work starts, and clear away what processes of this
        machine left that were killed. Returns the store itself."""
        try:
            for name in (*KINDS, *FOLDERS):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            if _version(self.root / VERSION_FILE) is None:
                write_text(self.root / VERSION_FILE, json.dumps({"version": VERSION}))
            with tempfile.TemporaryFile(dir=self.root / "building"):
                self._sweep()
        except OSError as error:
            raise BenchmarkError(
                f"the store {self.root} is not writable ({error.strerror}); choose another with --home or BENCHMARK_HOME"
            ) from error
        return self

    def require(self) -> None:
        """Refuse to go on if the store has gone away under a run, as a network disk does."""
        if not (self.root / VERSION_FILE).is_file():
            raise BenchmarkError(
                f"the store {self.root} is gone: its folder was moved away, or its disk is no longer mounted. What is in it "
                "stays as it was: when it is back, the same command goes on from there"
            )

    def is_writable(self) -> bool:
        try:
            self.prepare()
        except BenchmarkError:
            return False
        return True

    def _sweep(self) -> None:
        """Only what nobody needs: unfinished work stays for the next attempt."""
        self.claims.sweep(self.has)
        for path in litter.of_dead_processes(self.folders()):
            discard(path)
        for path in entries(self.root / "building"):
            kind, _, key = path.name.partition("-")
            if self.has(kind, key):
                discard(path)

    def folders(self) -> list[Path]:
        """Those that files are written in, besides artifacts."""
        return [self.root, *(self.root / name for name in FOLDERS)]

    def _refuse_other_versions(self) -> None:
        path = self.root / VERSION_FILE
        version = _version(path)
        if version is None and not path.exists() and any(self.keys(kind) for kind in KINDS):
            version = 1
        if version not in (None, VERSION):
            raise BenchmarkError(
                f"the store {self.root} is of version {version} and this program makes version {VERSION}: "
                "choose another with --home or BENCHMARK_HOME, or remove it"
            )

    def folder(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def has(self, kind: str, key: str) -> bool:
        """Whether there is an artifact that can be opened, as far as its manifest says: a damaged one counts as absent."""
        try:
            self.raw_manifest(kind, key)
        except Corrupt:
            return False
        return True

    def damage(self, kind: str, key: str) -> str | None:
        """What is wrong with what lies where an artifact would; None if there is nothing, or its manifest is in order."""
        try:
            self.raw_manifest(kind, key)
        except Corrupt as error:
            return str(error) if os.path.lexists(self.folder(kind, key)) else None
        return None

    def manifest(self, kind: str, key: str) -> Manifest:
        """That of a stage's artifact."""
        name, raw = (kind, key), self.raw_manifest(kind, key)
        if name not in self._parsed or self._parsed[name][0] is not raw:
            try:
                self._parsed[name] = raw, Manifest.parse(raw)
            except BenchmarkError as error:
                raise Corrupt(f"{self.folder(kind, key) / MANIFEST} is no manifest of this version: {error}") from error
        return self._parsed[name][1]

    def raw_manifest(self, kind: str, key: str) -> dict[str, Any]:
        """As JSON, with its checksum found right and its list of files well-formed: what else recordings say is their own."""
        path = f"{self._root}/{kind}/{key}/{MANIFEST}"  # asked of thousands of stages: a `Path` costs more than the question
        try:
            status = os.stat(path)
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            if path not in self._manifests or self._manifests[path][0] != stamp:
                self._manifests[path] = stamp, parse_raw(read_bytes(Path(path)), kind, key, kind in KINDS)
        except OSError as error:
            raise _unread(path, error) from error
        except (ValueError, RecursionError) as error:
            raise Corrupt(f"{path} cannot be read: {error}") from error
        except BenchmarkError as error:
            raise Corrupt(f"{path}: {error}") from error
        return self._manifests[path][1]

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
            try:
                if not path.is_file():
                    raise Corrupt(f"{path} is missing")
                if path.stat().st_size != entry["bytes"]:
                    raise Corrupt(f"{path} has {path.stat().st_size} bytes, its manifest says {entry['bytes']}")
                if checksum(path) != entry["sha256"]:
                    raise Corrupt(f"{path} does not match the checksum in its manifest")
            except OSError as error:
                raise _unread(path, error) from error

    def quarantine(self, kind: str, key: str) -> Path:
        """Move a corrupt artifact out of the way, keeping it for whoever wants to know what happened."""
        return self.set_aside(self.folder(kind, key))

    def set_aside(self, path: Path) -> Path:
        """Move a file or folder of the store into quarantine; returns where it is then."""
        target = self.root / "quarantine" / f"{path.parent.name}-{path.name}-{token()}"
        target.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another process was faster
            path.rename(target)
        self._verified.discard(path)
        self._manifests.pop(f"{path}/{MANIFEST}", None)
        return target

    def building_folder(self, kind: str, key: str) -> Path:
        """Where the attempts at an artifact have their folders."""
        return self.root / "building" / f"{kind}-{key}"

    @contextmanager
    def building(self, kind: str, key: str) -> Iterator[Building]:
        """The folders of a new attempt, with what the one before left in `work`. The caller holds the claim."""
        attempt = self.building_folder(kind, key) / token()
        out, work = attempt / OUT, attempt / WORK
        try:
            out.mkdir(parents=True)
            self._take_up(attempt)
            yield Building(out, work)
        except BaseException as error:
            taken_over = not attempt.exists()
            discard(out)
            if not entries(work):
                self._leave(attempt)
            if not isinstance(error, Exception):
                raise
            if taken_over:
                raise TakenOver(kind, key) from error
            if is_full(error):
                raise BenchmarkError(
                    f"the disk is full: {kind} {key} was not stored in {self.root}. Free some space "
                    f"(`python -m benchmark results gc` lists what can go) and run the same command again: it goes on from here"
                ) from error
            raise

    def _take_up(self, attempt: Path) -> None:
        """Move the work of earlier attempts into this one. Whoever made them is gone: this process holds the claim."""
        work = attempt / WORK
        for other in entries(attempt.parent):
            if other != attempt:
                if not work.exists() and entries(other / WORK):
                    (other / WORK).rename(work)
                discard(other)
        for path in litter.temporary([work]):  # of a checkpoint that was being written when its process was killed
            discard(path)
        work.mkdir(exist_ok=True)

    def _leave(self, attempt: Path) -> None:
        discard(attempt)
        with suppress(OSError):  # another attempt is in there
            attempt.parent.rmdir()

    def commit(self, kind: str, key: str, building: Building, manifest: Mapping[str, Any]) -> None:
        """Checksum, write the manifest, flush, and rename into place."""
        if not building.work.is_dir():  # `out` may be there: what was written since, without what went before
            raise TakenOver(kind, key)
        files = {}
        paths = sorted(building.out.rglob("*"))
        for path in paths:
            flush(path)
            if path.is_file():
                entry = FileEntry(checksum(path), path.stat().st_size)
                files[path.relative_to(building.out).as_posix()] = to_json(entry)
        content = signed({**manifest, "kind": kind, "key": key, "files": files})
        write_text(building.out / MANIFEST, json.dumps(content, indent=1, sort_keys=True))
        flush(building.out)
        self._publish(building.out, kind, key)
        flush(self.root / kind)
        self._leave(building.out.parent)

    def _publish(self, out: Path, kind: str, key: str) -> None:
        """By one rename. Where another process has published the same artifact meanwhile, this copy goes; what is in the way
        without being an artifact is set aside."""
        place = self.folder(kind, key)
        for last in (False, True):
            try:
                out.rename(place)
            except OSError:
                if self.has(kind, key):
                    return
                if last or not os.path.lexists(place):
                    raise
                self.quarantine(kind, key)
            else:
                self._verified.add(place)
                return

    def keys(self, kind: str) -> list[str]:
        return sorted(p.name for p in (self.root / kind).glob("*") if (p / MANIFEST).is_file())

    def places(self, kind: str) -> list[str]:
        """The names of all that lies where artifacts of a kind do, damaged ones as well."""
        return [path.name for path in entries(self.root / kind)]

    def damaged_notes(self) -> list[Path]:
        """Files besides artifacts that cannot be read: requests, descriptions of stages, reasons of failures."""
        paths = [path for name in ("plans", "stages", "failures") for path in entries(self.root / name)]
        return [path for path in [*paths, self.root / "last.json"] if path.suffix == ".json" and _is_damaged(path)]

    def find(self, prefix: str) -> tuple[str, str]:
        """The (kind, key) an abbreviated key stands for."""
        matches = [
            (kind, key)
            for kind in KINDS
            for key in self.keys(kind)
            if key.startswith(prefix) or f"{kind}/{key}".startswith(prefix)
        ]
        if not matches:
            raise BenchmarkError(f"no artifact in {self.root} begins with '{prefix}'")
        if len(matches) > 1:
            some = ", ".join(f"{kind}/{key}" for kind, key in matches[:SOME]) + ", ..." * (len(matches) > SOME)
            raise BenchmarkError(f"{len(matches)} artifacts in {self.root} begin with '{prefix}': {some}")
        return matches[0]

    def note_failure(self, key: str, failure: StageFailure | None) -> None:
        """Remember why a stage failed, or forget it."""
        path = self.root / "failures" / f"{key}.json"
        if failure is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, json.dumps(to_json(failure)))

    def failure(self, key: str) -> StageFailure | None:
        """Why a stage failed when it was last tried. A note that is damaged says that much."""
        path = self.root / "failures" / f"{key}.json"
        try:
            return from_json(StageFailure, json.loads(read_bytes(path)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, BenchmarkError) as error:
            return StageFailure(f"it failed, and why is lost: {path} cannot be read ({error}); the next run tries it again")


def _unread(path: Path | str, error: OSError) -> Corrupt:
    """What to say of a file that could not be read: damaged only if another try would not read it either."""
    if isinstance(error, PermissionError):
        return Unreadable(f"{path} {FORBIDDEN}")
    if error.errno in AWAY:
        return Unreadable(f"{path}: its disk does not answer ({error.strerror}); when it does, the same command goes on")
    return Corrupt(f"{path} cannot be read: {error.strerror or error}")


def _is_damaged(path: Path) -> bool:
    try:
        return not isinstance(json.loads(read_bytes(path)), dict)
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):
        return True


def _version(path: Path) -> Any:
    """What a store says of itself; None if it says nothing that can be read, which the next run makes good."""
    try:
        return json.loads(read_bytes(path))["version"]
    except (OSError, ValueError, RecursionError, TypeError, LookupError):
        return None
