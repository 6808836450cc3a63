from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from benchmark.core.errors import BenchmarkError, Corrupt, Forbidden
from benchmark.core.progress import Reporter
from benchmark.launch.execute import Executor
from benchmark.storage import artifacts
from benchmark.storage.artifacts import MANIFEST, StageFailure, Store, TakenOver
from benchmark.storage.cleanup import removable, remove, with_dependents
from benchmark.storage.files import discard, key_of, seal, temporary_name, unseal, write_text
from benchmark.storage.manifests import Ref
from benchmark.storage.processes import Process


def put(store: Store, key: str, text: str = "hello", **manifest: Any) -> None:
    with store.building("fit", key) as building:
        (building.out / "data.txt").write_text(text)
        store.commit("fit", key, building, {"label": "test", "summary": {}, **manifest})


def test_an_artifact_is_there_whole_or_not_at_all(store: Store) -> None:
    with pytest.raises(RuntimeError), store.building("fit", "a") as building:
        (building.out / "data.txt").write_text("half")
        raise RuntimeError
    assert not store.has("fit", "a")
    put(store, "a")
    assert (store.open("fit", "a") / "data.txt").read_text() == "hello"
    assert not list((store.root / "building").iterdir())


def test_work_survives_an_interruption_and_out_does_not(store: Store) -> None:
    with pytest.raises(RuntimeError), store.building("fit", "a") as building:
        (building.out / "data.txt").write_text("half")
        (building.work / "checkpoint").write_text("step 7")
        raise RuntimeError
    with store.building("fit", "a") as building:
        assert not list(building.out.iterdir())
        assert (building.work / "checkpoint").read_text() == "step 7"


def test_a_manifest_that_another_process_has_replaced_is_read_again(store: Store) -> None:
    whole = {"params": {}, "inputs": {}, "code": "", "libraries": {}, "machine": {}, "provenance": {}}
    for label in ("first", "second"):
        put(store, "a", **{**whole, "wall_seconds": 1.0, "finished": "", "label": label})
        assert store.manifest("fit", "a") is store.manifest("fit", "a"), "it is parsed once"
        assert store.manifest("fit", "a").label == label
        discard(store.folder("fit", "a"))


def test_a_folder_without_a_manifest_is_no_artifact(store: Store) -> None:
    """The manifest is written last: what has none is a copy somebody interrupted."""
    store.folder("fit", "a").mkdir(parents=True)
    (store.folder("fit", "a") / "data.txt").write_text("half")
    assert not store.has("fit", "a")
    assert store.keys("fit") == []


MANIFESTS: dict[str, Callable[[str], str | None]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "zeros": lambda text: "\0" * len(text),
    "a list": lambda text: "[1, 2]",
    "deep": lambda text: "[" * 100_000,
    "without a field": lambda text: text.replace('"files"', '"flies"'),
    "a changed value": lambda text: text.replace('"label": "test"', '"label": "best"'),
    "files as a list": lambda text: json.dumps({"kind": "fit", "key": "a", "files": []}),
    "a size in words": lambda text: json.dumps({"kind": "fit", "key": "a", "files": {"x": {"sha256": "0", "bytes": "5"}}}),
    "another's": lambda text: json.dumps({"kind": "fit", "key": "b", "files": {}}),
    "of no type": lambda text: json.dumps({"kind": "fit", "key": "a", "files": {}}),
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


@pytest.mark.parametrize("obstacle", ["a file", "an empty folder", "a folder"])
def test_what_is_in_the_way_of_an_artifact_is_set_aside(store: Store, obstacle: str) -> None:
    place = store.folder("fit", "a")
    if obstacle == "a file":
        place.write_text("")
    else:
        place.mkdir()
    if obstacle == "a folder":
        (place / "data.txt").write_text("half")
    assert not store.has("fit", "a")
    put(store, "a")
    assert Store(store.root).open("fit", "a").is_dir()
    assert not list((store.root / "building").iterdir())


def test_of_two_attempts_the_first_that_is_whole_is_published(store: Store) -> None:
    """Each has a folder of its own: whoever comes second discards its copy, and neither touches the other's."""
    with store.building("fit", "a") as slow:
        (slow.out / "data.txt").write_text("hello")
        os.rename(slow.out.parent, store.root / "elsewhere")  # so that the other does not take it for a dead one's
        put(store, "a")
        slow.out.parent.parent.mkdir(exist_ok=True)
        os.rename(store.root / "elsewhere", slow.out.parent)
        published = (store.folder("fit", "a") / MANIFEST).stat()
        store.commit("fit", "a", slow, {"label": "test", "summary": {}})
    assert (store.folder("fit", "a") / MANIFEST).stat().st_ino == published.st_ino
    assert not list((store.root / "building").iterdir())


def test_who_was_taken_over_is_told_so(store: Store) -> None:
    with pytest.raises(BenchmarkError, match="another process took fit a over"), store.building("fit", "a") as silent:
        (silent.work / "checkpoint").write_text("step 7")
        with store.building("fit", "a") as other:
            assert (other.work / "checkpoint").read_text() == "step 7"
            (silent.work / "checkpoint").write_text("step 8")


def test_who_was_taken_over_publishes_no_part_of_an_artifact(store: Store) -> None:
    """What it wrote before is gone with its folder; what it writes since may lie in a new one of the same name."""
    with pytest.raises(TakenOver), store.building("fit", "a") as silent:
        (silent.out / "first.mp4").write_text("hello")
        with contextlib.suppress(KeyboardInterrupt), store.building("fit", "a"):
            raise KeyboardInterrupt  # the other is not ready yet
        silent.out.mkdir(parents=True)
        (silent.out / "second.mp4").write_text("hello")
        store.commit("fit", "a", silent, {"label": "test", "summary": {}})
    assert not store.has("fit", "a")


def test_a_checkpoint_that_a_killed_process_was_writing_does_not_stay(store: Store) -> None:
    with contextlib.suppress(KeyboardInterrupt), store.building("fit", "a") as building:
        (building.work / "step2.json").write_text("{}")
        temporary_name(building.work / "step4.safetensors").write_text("half")
        raise KeyboardInterrupt
    with store.building("fit", "a") as building:
        assert [path.name for path in building.work.iterdir()] == ["step2.json"]


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


def test_what_may_not_be_read_is_not_said_to_be_damaged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's, in a store that several write: it may be whole, so it stays where it is."""
    put(store, "a")

    def forbidden(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    for name in ("checksum", "read_bytes"):
        with monkeypatch.context() as patch:
            patch.setattr(artifacts, name, forbidden)
            with pytest.raises(Forbidden, match=r"may not be read by this user.*chmod"):
                Executor(Store(store.root), Reporter(quiet=True)).stored(Ref("fit", "a"))
    assert store.has("fit", "a")


def test_quarantine_keeps_the_evidence(store: Store) -> None:
    put(store, "a")
    moved = store.quarantine("fit", "a")
    assert (moved / "data.txt").exists()
    assert not store.has("fit", "a")


def test_a_full_disk_is_said_in_words_and_loses_no_checkpoint(store: Store) -> None:
    with pytest.raises(BenchmarkError, match=r"disk is full.*run the same command again"):
        with store.building("fit", "a") as building:
            (building.work / "checkpoint").write_text("step 7")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with store.building("fit", "a") as building:
        assert (building.work / "checkpoint").exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError("1048576 requested and 4096 written"),  # of numpy
    ],
)
def test_a_full_disk_is_told_however_a_library_puts_it(store: Store, error: Exception) -> None:
    with pytest.raises(BenchmarkError, match=r"disk is full.*run the same command again"), store.building("fit", "a"):
        raise error
    assert not list((store.root / "building").iterdir()), "an attempt without work leaves nothing"


def test_a_store_that_cannot_be_written_can_be_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "a")

    def refused(*arguments: object, **more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "write_text", "write_bytes", "touch"):
        monkeypatch.setattr(Path, name, refused)
    fresh = Store(store.root)
    assert not fresh.is_writable()
    assert fresh.has("fit", "a")
    assert fresh.open("fit", "a") == store.folder("fit", "a")
    assert fresh.failure("a") is None


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


def dead_name(path: Path) -> Path:
    """The temporary file of a process that was killed."""
    me = Process.current()
    return temporary_name(path).with_name(f".{path.name}.{me.place}-{me.pid}-1-0.tmp")


def test_preparing_a_store_clears_away_what_dead_processes_left(store: Store) -> None:
    mine, dead = temporary_name(store.root / "last.json"), dead_name(store.root / "last.json")
    for path in (mine, dead, dead_name(store.root / "plans" / "a.json")):
        path.write_text("")
    dead_name(store.root / "claims" / "fit-a").mkdir()
    put(store, "a")
    for key in ("a", "b"):
        (store.building_folder("fit", key) / "old" / "work").mkdir(parents=True)
        (store.building_folder("fit", key) / "old" / "work" / "checkpoint").write_text("step 7")
    Store(store.root).prepare()
    assert list(store.root.rglob("*.tmp")) == [mine]
    assert [path.name for path in (store.root / "building").iterdir()] == ["fit-b"], "work of what is not stored yet stays"


def test_cleaning_up_knows_litter_from_what_is_wanted(store: Store) -> None:
    put(store, "wanted")
    put(store, "stale")
    (store.root / "building" / ".probe-17").write_text("")
    store.folder("fit", "damaged").mkdir()
    other = store.root / ".last.json.0123456789ab-1-1-1.tmp"
    other.write_text("")
    items = removable(store, {"wanted"})
    assert {item.path.name for item in items} == {"stale", "damaged", ".probe-17"}
    os.utime(other, (0, 0))
    assert other in {item.path for item in removable(store, {"wanted"})}
    for item in items:
        assert remove(store, item)
    assert store.places("fit") == ["wanted"]
    assert not [item for item in removable(store, {"wanted"}) if item.path != other]


def test_cleaning_up_keeps_the_checkpoints_of_what_is_wanted(store: Store) -> None:
    """A full disk is said with the advice to clean up and to go on from there."""
    for key in ("wanted", "stale"):
        attempt = store.building_folder("fit", key) / "old"
        for name in ("out", "work"):
            (attempt / name).mkdir(parents=True)
            (attempt / name / "step2.json").write_text("{}")
    for item in removable(store, {"wanted"}):
        assert remove(store, item)
    left = [path.relative_to(store.root / "building") for path in (store.root / "building").rglob("*.json")]
    assert left == [Path("fit-wanted/old/work/step2.json")]
    assert not list((store.root / "quarantine").iterdir())


def test_what_was_made_from_an_artifact_goes_with_it(store: Store) -> None:
    put(store, "a")
    put(store, "b", inputs={"policy": "fit/a"})
    put(store, "c", inputs={"policy": "fit/b", "other": "fit/a"})
    put(store, "d")
    assert with_dependents(store, [("fit", "a")]) == [("fit", "a"), ("fit", "b"), ("fit", "c")]


def test_a_sealed_file_is_whole_or_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    seal(path, b"data\n")
    assert unseal(path) == b"data\n"
    content = path.read_bytes()
    for damaged in (content[:-1], b"", content[1:], bytes(len(content)), b"Data" + content[4:]):
        path.write_bytes(damaged)
        with pytest.raises(Corrupt, match="checksum"):
            unseal(path)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a", "one")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "a", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "one"


def test_an_unwritable_store_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BenchmarkError, match=r"not writable.*--home"):
        Store(tmp_path / "file" / "runs").prepare()


def _hold(root: Path, started: object, seconds: float) -> None:
    with Store(root).claims.hold("fit", "a", lambda: None):
        started.set()  # type: ignore[attr-defined]
        time.sleep(seconds)


def test_two_runs_wait_for_each_other(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    other = context.Process(target=_hold, args=(store.root, started, 0.5))
    other.start()
    assert started.wait(60)
    waited: list[bool] = []
    with store.claims.hold("fit", "a", lambda: waited.append(True)):
        assert waited == [True]
    other.join(10)


def test_a_key_is_a_function_of_the_content_alone() -> None:
    assert key_of({"a": 1, "b": [1, 2]}) == key_of({"b": [1, 2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_an_abbreviated_key_must_be_unambiguous(store: Store) -> None:
    put(store, "abc")
    put(store, "abd")
    assert store.find("abc") == ("fit", "abc")
    with pytest.raises(BenchmarkError, match="2 artifacts"):
        store.find("ab")
    with pytest.raises(BenchmarkError, match="no artifact"):
        store.find("x")
