"""What a store no longer needs. What another process is building is never touched."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark.storage import litter
from benchmark.storage.artifacts import KINDS, OUT, Store
from benchmark.storage.files import discard, entries, files_below
from benchmark.storage.manifests import Ref


@dataclass(frozen=True)
class Removable:
    """A file or folder that may go; those of an artifact are removed under its claim."""

    path: Path
    kind: str = ""
    key: str = ""

    @property
    def bytes(self) -> int:
        total = 0
        for file in files_below(self.path) if self.path.is_dir() else [self.path]:
            with suppress(FileNotFoundError):  # its owner has just ended
                total += file.stat().st_size
        return total


def removable(store: Store, wanted: Collection[str]) -> list[Removable]:
    """Artifacts and work that are not wanted, quarantine and litter, but nothing that is being built at this moment. Of what is
    wanted and unfinished the checkpoints stay: the next run goes on from them."""
    items = [Removable(store.folder(kind, key), kind, key) for kind in KINDS for key in store.places(kind) if key not in wanted]
    for path in entries(store.root / "building"):
        kind, _, key = path.name.partition("-")
        parts = [path] if key not in wanted else [attempt / OUT for attempt in entries(path) if (attempt / OUT).exists()]
        items += [Removable(part, kind, key) for part in parts]
    free = [item for item in items if not store.claims.is_held(item.kind, item.key)]
    others = [*entries(store.root / "quarantine"), *litter.of_anybody(store.folders())]
    return [*free, *map(Removable, others)]


def with_dependents(store: Store, chosen: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Artifacts (kind, key) and all that was made from them."""
    gone = list(dict.fromkeys(chosen))
    made_from: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for place in ((kind, key) for kind in KINDS for key in store.keys(kind) if store.has(kind, key)):
        inputs = store.raw_manifest(*place).get("inputs", {}).values()
        for ref in map(Ref.parse, inputs):
            made_from.setdefault((ref.kind, ref.key), []).append(place)
    for place in gone:  # grows meanwhile
        gone += [other for other in made_from.get(place, ()) if other not in gone]
    return gone


def remove(store: Store, item: Removable) -> bool:
    """Whether it is gone: what has been taken up again since stays."""
    if not item.kind:
        discard(item.path)
        return True
    with store.claims.try_hold(item.kind, item.key) as held:
        if held:
            discard(store.set_aside(item.path))  # at once as a whole: half an artifact would be a corrupt one
        return held
