from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.storage import litter
from benchmark.storage.artifacts import MANIFEST, Store, TakenOver
from benchmark.storage.cleanup import Removable, removable, remove, with_dependents
from benchmark.storage.files import discard, key_of, seal, temporary_name, unseal, write_text
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


def test_folders_that_go_while_sizes_are_summed_count_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kept", "goes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("seven b")
    look = os.scandir

    def after_its_owner_ended(path: Any) -> Any:
        if Path(path).name == "goes":
            raise FileNotFoundError(path)
        return look(path)

    monkeypatch.setattr(os, "scandir", after_its_owner_ended)
    assert Removable(tmp_path).bytes == 7


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


def test_a_temporary_file_that_its_writer_puts_in_place_meanwhile_is_no_litter(store: Store, monkeypatch: Any) -> None:
    gone = store.root / ".last.json.0123456789ab-1-1-1.tmp"
    monkeypatch.setattr(litter, "temporary", lambda folders: iter([gone]))
    assert not list(litter.of_anybody(store.folders()))


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


def _hold(root: Path, started: Any, waited_for: Any) -> None:
    with Store(root).claims.hold("fit", "a", lambda: None):
        started.set()
        waited_for.wait(60)


def test_two_runs_wait_for_each_other(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    started, waited_for = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(store.root, started, waited_for))
    other.start()
    assert started.wait(300)
    waited: list[bool] = []

    def waiting() -> None:
        waited.append(True)
        waited_for.set()

    with store.claims.hold("fit", "a", waiting):
        assert waited == [True]
    other.join(60)


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
