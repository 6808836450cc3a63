"""Damage, told from absence and from what may not be read: manifests, files, notes of failures."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.core.errors import Corrupt, Unreadable
from benchmark.core.progress import Reporter
from benchmark.launch.execute import Executor
from benchmark.storage import artifacts
from benchmark.storage.artifacts import MANIFEST, StageFailure, Store
from benchmark.storage.files import seal, unseal
from benchmark.storage.manifests import CHECKSUM, Ref, signed
from tests.storage.test_artifacts import put


def _written(files: object, key: str = "a") -> str:
    return json.dumps(signed({"kind": "fit", "key": key, "files": files}))


def _unsigned(text: str) -> str:
    return json.dumps({name: value for name, value in json.loads(text).items() if name != CHECKSUM})


MANIFESTS: dict[str, Callable[[str], str | None]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "zeros": lambda text: "\0" * len(text),
    "a list": lambda text: "[1, 2]",
    "deep": lambda text: "[" * 100_000,
    "without a field": lambda text: text.replace('"files"', '"flies"'),
    "a changed value": lambda text: text.replace('"label": "test"', '"label": "best"'),
    "files as a list": lambda text: _written([]),
    "a size in words": lambda text: _written({"x": {"sha256": "0", "bytes": "5"}}),
    "another's": lambda text: _written({}, key="b"),
    "without a checksum": _unsigned,
    "absent": lambda text: None,
}


@pytest.mark.parametrize("damage", MANIFESTS)
def test_a_damaged_manifest_makes_an_artifact_absent_until_it_is_built_again(store: Store, damage: str) -> None:
    put(store, "a")
    path = store.folder("fit", "a") / MANIFEST
    text = MANIFESTS[damage](path.read_text())
    path.unlink() if text is None else path.write_text(text)
    fresh = Store(store.root)
    assert not fresh.has("fit", "a")
    assert str(path) in (fresh.damage("fit", "a") or "")
    with pytest.raises(Corrupt, match="manifest"):
        fresh.open("fit", "a")
    put(fresh, "a")
    assert Store(store.root).has("fit", "a")
    assert len(list((store.root / "quarantine").iterdir())) == 1


def mutated(data: bytes, rng: random.Random) -> bytes:
    at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice(
        [
            data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
            data[:at] + data[end:],
            data[:end] + data[at:],
            data[:at] + rng.choice([b"null", b"-1", b"1e999", b"[]", b"{}", b'"', b"NaN", b"\xff"]) + data[end:],
        ]
    )


def test_a_thousand_mutations_of_what_is_read_back_are_refused_in_words(store: Store) -> None:
    """A manifest, a note and a sealed file: each is as it was, or `Corrupt`, or says that it cannot be read."""
    put(store, "a")
    store.note_failure("a", StageFailure("no weights"))
    seal(store.root / "sealed", b"data")
    manifest, note, sealed = store.folder("fit", "a") / MANIFEST, store.root / "failures" / "a.json", store.root / "sealed"
    whole = {path: path.read_bytes() for path in (manifest, note, sealed)}
    content, rng = json.loads(whole[manifest]), random.Random(0)
    for _ in range(400):
        for path, data in whole.items():
            path.write_bytes(mutated(data, rng))
        fresh = Store(store.root)
        if fresh.has("fit", "a"):
            assert {**fresh.raw_manifest("fit", "a"), "checksum": content["checksum"]} == content
        else:
            assert str(manifest) in (fresh.damage("fit", "a") or "")
        assert isinstance(fresh.failure("a"), StageFailure)
        with contextlib.suppress(Corrupt):
            assert unseal(sealed) == b"data"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
def test_a_damaged_artifact_is_named(store: Store, damage: str) -> None:
    put(store, "a")
    path = store.folder("fit", "a") / "data.txt"
    match damage:
        case "flip":
            path.write_text("hellO")
        case "truncate":
            path.write_text("hel")
        case "remove":
            path.unlink()
        case "manifest":
            path = store.folder("fit", "a") / "manifest.json"
            path.write_text(path.read_text()[:-20])
    with pytest.raises(Corrupt, match=str(path)):
        Store(store.root).open("fit", "a")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, r"may not be read by this user.*chmod"),
        (errno.ESTALE, r"does not answer \(Stale file handle\); when it does, the same command"),
        (errno.ETIMEDOUT, r"does not answer \(Connection timed out\)"),
    ],
)
@pytest.mark.parametrize("name", ["checksum", "read_bytes"])
def test_what_cannot_be_read_now_is_not_said_to_be_damaged(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str, number: int, said: str
) -> None:
    """Somebody else's in a store that several write, or on a disk that is away: it may be whole, so it stays where it is."""
    put(store, "a")

    def unreadable(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, name, unreadable)
        with pytest.raises(Unreadable, match=said):
            Executor(Store(store.root), Reporter(quiet=True)).stored(Ref("fit", "a"))
    assert store.has("fit", "a")


def test_quarantine_keeps_the_evidence(store: Store) -> None:
    put(store, "a")
    moved = store.quarantine("fit", "a")
    assert (moved / "data.txt").exists()
    assert not store.has("fit", "a")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"error": 5}', '{"colour": "red"}'])
def test_a_damaged_note_of_a_failure_says_that_it_failed(store: Store, text: str) -> None:
    store.note_failure("a", StageFailure("no weights"))
    path = store.root / "failures" / "a.json"
    path.write_text(text)
    failure = store.failure("a")
    assert failure is not None
    assert str(path) in failure.error
    assert store.damaged_notes() == ([path] if text in ("", "{", "[]") else [])


def test_a_damaged_version_is_written_again(store: Store) -> None:
    (store.root / "store.json").write_text("")
    assert json.loads((Store(store.root).prepare().root / "store.json").read_text()) == {"version": 2}
