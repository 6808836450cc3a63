"""What a store no longer needs. What another process is building is never touched."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchmark.storage.artifacts import KINDS, Store


@dataclass(frozen=True)
class Removable:
    """A folder that may go; those of an artifact are removed under its lock."""

    folder: Path
    kind: str = ""
    key: str = ""

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


def removable(store: Store, wanted: Collection[str]) -> list[Removable]:
    """Artifacts that are not wanted, unfinished work, and quarantine, but nothing that is being built at this moment."""
    artifacts = [
        Removable(store.folder(kind, key), kind, key) for kind in KINDS for key in store.keys(kind) if key not in wanted
    ]
    for folder in sorted((store.root / "building").iterdir()):
        kind, _, key = folder.name.partition("-")
        artifacts.append(Removable(folder, kind, key))
    free = [item for item in artifacts if not _is_held(store, item)]
    return [*free, *(Removable(folder) for folder in sorted((store.root / "quarantine").iterdir()))]


def remove(store: Store, item: Removable) -> bool:
    """Whether it is gone: what has been taken up again since stays."""
    if not item.kind:
        shutil.rmtree(item.folder)
        return True
    with store.claims.try_hold(item.kind, item.key) as held:
        if held:
            shutil.rmtree(item.folder, ignore_errors=False)
        return held


def _is_held(store: Store, item: Removable) -> bool:
    with store.claims.try_hold(item.kind, item.key) as held:
        return not held
