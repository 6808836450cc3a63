"""Imported recordings: `<home>/recordings/NAME/`, held as demonstrations are, with a manifest that names their source.

An import streams into a working folder, noting each finished episode, and becomes a recording when it is whole. Run again, it
goes on after the last episode, provided that the files of the source are still the same ones.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from benchmark.contracts.data import DataSpec, Episode
from benchmark.contracts.specs import REPRESENTATIONS
from benchmark.core.errors import BenchmarkError, Corrupt, UnknownName
from benchmark.core.progress import Task
from benchmark.data.episodes import Demos, DemosWriter, open_demos
from benchmark.datasets.budget import Limits
from benchmark.datasets.files import existing, reading
from benchmark.datasets.reader import Reader
from benchmark.datasets.source import Description
from benchmark.storage.artifacts import MANIFEST, Building, Store
from benchmark.storage.files import checksum, key_of, write_text
from benchmark.storage.manifests import signed

KIND = "recordings"
AFTERWARDS = "described"  # in a manifest: what was said of actions since; the import stays the same one
SHOWN = 5  # names in a message
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise BenchmarkError(
            f"'{name}' cannot name a recording: use letters, digits, '_', '-' and '.', and begin with one of the first two"
        )
    return name


def import_recording(
    store: Store,
    path: Path,
    name: str,
    task: Task,
    *,
    format_name: str = "auto",
    side: int | None = None,
    episodes: int | None = None,
    stated: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> Path:
    """The folder of the recording. `stated` is what the user knows of the source: hz, representation, gripper, units, names."""
    check_name(name)
    if side is not None and side < 16:
        raise BenchmarkError(f"--resolution must be at least 16, not {side}")
    if episodes is not None and episodes < 1:
        raise BenchmarkError(f"--episodes must be at least 1, not {episodes}")
    with Reader(path, format_name, limits) as source:
        return _import(store, source, _state(source.description, stated or {}, source.path), name, task, side, episodes)


def _import(
    store: Store, source: Reader, said: Description, name: str, task: Task, side: int | None, episodes: int | None
) -> Path:
    count = min(said.episodes, episodes or said.episodes)
    request = {
        "format": source.format,
        "resolution": side,
        "episodes": count,
        "description": _described(said),
        "files": _hash(source, task),
    }
    request = json.loads(json.dumps(request))
    where = store.folder(KIND, name)
    with store.claims.hold(KIND, name, lambda: None):
        if (where / MANIFEST).is_file():
            if others := _differences(manifest_of(store, name)["request"], request):
                raise BenchmarkError(
                    f"{where} holds another import; choose another --name, or remove that folder first. Not the same: {others}"
                )
            return store.open(KIND, name)
        if where.exists():
            raise BenchmarkError(
                f"{where} is in the way: it has no manifest, so it is no recording; remove it or choose another --name"
            )
        with store.building(KIND, name) as building:
            summary = _stream(source, said, name, side, count, _work(building, request), task)
            for file in (building.work / "data").iterdir():
                file.rename(building.out / file.name)
            (store.root / KIND).mkdir(exist_ok=True)
            manifest = {"label": f"recording · {name}", "source": str(source.path.resolve()), "request": request}
            finished = datetime.now(UTC).isoformat(timespec="seconds")
            store.commit(KIND, name, building, {**manifest, "summary": summary, "finished": finished})
    return where


def _described(said: Description) -> dict[str, Any]:
    """Without names that the source does not give, as before any were kept: the same import is the same request."""
    described = asdict(said)
    if not said.actions.names:
        del described["actions"]["names"]
    return described


def _differences(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Which parts of two requests differ, and which of their files."""
    parts = [
        f"{part} ({old.get(part)}, now {new[part]})"
        for part in ("format", "resolution", "episodes")
        if old.get(part) != new[part]
    ]
    for part in ("description", "files"):
        before, now = old.get(part, {}), new[part]
        names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        parts += [f"{part} ({', '.join(names[:SHOWN])}{more})"] if names else []
    return ", ".join(parts)


def _state(said: Description, stated: dict[str, Any], path: Path) -> Description:
    """What the source says, completed by what the user says; the user is right."""
    stated = {key: value for key, value in stated.items() if value is not None}
    hz = stated.pop("hz", said.hz)
    said = replace(said, hz=hz, actions=replace(said.actions, **stated))
    if hz is None:
        raise BenchmarkError(f"{path} does not say how many steps it has per second; add --hz N")
    if not 0 < hz < float("inf"):
        raise BenchmarkError(f"{path}: {hz} steps per second cannot be right")
    if said.actions.representation not in REPRESENTATIONS:
        raise BenchmarkError(f"actions are one of {', '.join(REPRESENTATIONS)}, not '{said.actions.representation}'")
    return said


def describe(store: Store, name: str, stated: dict[str, Any]) -> dict[str, Any]:
    """Say what the actions of a recording mean, after it was imported; nothing of its content changes. Returns all that it then
    says of them."""
    _require(store, name)
    with store.claims.hold(KIND, name, lambda: None):
        manifest = manifest_of(store, name)
        given = {key: value for key, value in stated.items() if value is not None}
        width = manifest["summary"]["spec"]["action_dim"]
        if (names := given.get("names")) and len(names) != width:
            raise BenchmarkError(f"{name} has {width} action numbers, not {len(names)} ({', '.join(names)})")
        changed = signed({**manifest, AFTERWARDS: {**manifest.get(AFTERWARDS, {}), **given}})
        write_text(store.folder(KIND, name) / MANIFEST, json.dumps(changed, indent=1, sort_keys=True))
    return meaning_of(changed)


def meaning_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a recording says of its actions: when it was imported, and afterwards."""
    return {**manifest.get("request", {}).get("description", {}).get("actions", {}), **manifest.get(AFTERWARDS, {})}


def _hash(source: Reader, task: Task) -> dict[str, dict[str, Any]]:
    hashes = {}
    for done, path in enumerate(source.files):
        with reading(path):
            hashes[_relative(path, source.path)] = {"sha256": checksum(existing(path)), "bytes": path.stat().st_size}
        task.update(done + 1, len(source.files), "checksums")
    return hashes


def _relative(path: Path, root: Path) -> str:
    return path.name if path == root else path.resolve().relative_to(root.resolve()).as_posix()


def _work(building: Building, request: dict[str, Any]) -> Path:
    """The working folder, emptied if it is of another import or the source has changed since."""
    noted = building.work / "request.json"
    if _noted(noted) != request:
        shutil.rmtree(building.work)
        building.work.mkdir()
        write_text(noted, json.dumps(request))
    return building.work


def _noted(path: Path) -> Any:
    """What an interrupted import noted in a file, or nothing if that cannot be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None


def _noted_spec(path: Path) -> DataSpec | None:
    noted = _noted(path)
    try:
        return DataSpec.from_json(noted)
    except (TypeError, KeyError, AttributeError, BenchmarkError):
        return None


def _stream(
    source: Reader, said: Description, name: str, side: int | None, count: int, work: Path, task: Task
) -> dict[str, Any]:
    shape = work / "spec.json"
    if spec := _noted_spec(shape):
        writer = DemosWriter(work / "data", spec, work / "journal")
        stream: Iterable[Episode] = source.episodes(len(writer), side) if len(writer) < count else ()
    else:
        for folder in (work / "data", work / "journal"):
            shutil.rmtree(folder, ignore_errors=True)
        rest = source.episodes(0, side)
        first = next(rest, None)
        if first is None:
            raise BenchmarkError(f"{source.path} holds no episodes")
        made = _spec(name, said, first)
        if said.actions.names and len(said.actions.names) != made.action_dim:
            raise BenchmarkError(f"{source.path} has {made.action_dim} action numbers, not {len(said.actions.names)} (--names)")
        write_text(shape, json.dumps(asdict(made)))
        writer, stream = DemosWriter(work / "data", made, work / "journal"), chain([first], rest)
    for episode in islice(stream, count - len(writer)):
        try:
            writer.add(episode)
        except BenchmarkError as error:
            raise BenchmarkError(f"{source.path}, {error}") from error
        task.update(len(writer), count, "episodes")
    if len(writer) < count:
        raise BenchmarkError(f"{source.path} announces {said.episodes} episodes and holds {len(writer)}")
    writer.finish()
    return _summary(open_demos(work / "data"))


def _spec(name: str, said: Description, episode: Episode) -> DataSpec:
    widths = (episode.actions.shape[1], episode.proprio.shape[1], episode.states.shape[1])
    assert said.hz is not None
    return DataSpec(name, said.views, episode.frames.shape[2], *widths, said.hz)


def _summary(demos: Demos) -> dict[str, Any]:
    return {
        "spec": asdict(demos.spec),
        "episodes": len(demos),
        "frames": int(demos.ends[-1]),
        "max_steps": int(demos.lengths.max()),
        "action_low": demos.actions.min(axis=0).tolist(),
        "action_high": demos.actions.max(axis=0).tolist(),
    }


def manifest_of(store: Store, name: str) -> dict[str, Any]:
    """The manifest of a recording, with all that an import writes into it."""
    manifest = store.raw_manifest(KIND, name)
    if absent := {"request", "source", "summary", "files"} - set(manifest if isinstance(manifest, dict) else ()):
        raise Corrupt(
            f"{store.folder(KIND, name) / MANIFEST} lacks {', '.join(sorted(absent))}; remove that folder and import again"
        )
    return manifest


def find(store: Store, name: str) -> Path:
    """The folder of a recording, verified when this process first asks for it."""
    _require(store, name)
    manifest_of(store, name)
    return store.open(KIND, name)


def open_folder(folder: Path) -> Demos:
    """What the folder of a recording holds, verified when this process first opens it."""
    folder = folder.absolute()
    return open_demos(Store(folder.parent.parent).open(folder.parent.name, folder.name))


def digest(manifest: dict[str, Any]) -> str:
    """Of a recording's content, so that a key says what was used."""
    return key_of({name: entry["sha256"] for name, entry in manifest["files"].items()})


def verify(store: Store, name: str) -> str:
    """Check a recording against its checksums, and its source against those taken when it was imported."""
    _require(store, name)
    manifest = manifest_of(store, name)
    store.verify(KIND, name)
    root, files = Path(manifest["source"]), manifest["request"]["files"]
    if not root.exists():
        return f"{name} is whole; its source {root} is not here any more"
    for relative, entry in files.items():
        path = root if root.is_file() else root / relative
        if not path.is_file():
            raise Corrupt(f"{path} is gone since '{name}' was imported from it")
        if path.stat().st_size != entry["bytes"] or checksum(path) != entry["sha256"]:
            raise Corrupt(f"{path} has changed since '{name}' was imported from it; import it again under another name")
    return f"{name} is whole, and so are the {len(files)} files it was imported from"


def bytes_of(store: Store, name: str) -> int:
    _require(store, name)
    return sum(entry["bytes"] for entry in manifest_of(store, name)["files"].values())


def remove(store: Store, name: str) -> int:
    """Bytes that were freed. Out of the way by one rename first: an interrupted removal leaves no half of a recording."""
    freed = bytes_of(store, name)
    with store.claims.hold(KIND, name, lambda: None):
        gone = store.root / KIND / f".{name}.removed"
        shutil.rmtree(gone, ignore_errors=True)
        store.folder(KIND, name).rename(gone)
        shutil.rmtree(gone)
    return freed


def _require(store: Store, name: str) -> None:
    if name not in store.keys(KIND):
        raise UnknownName("recording", name, store.keys(KIND))
