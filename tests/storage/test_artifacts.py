from __future__ import annotations

import errno
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.storage.artifacts import Store
from benchmark.storage.files import key_of


def put(store: Store, key: str, text: str = "hello") -> None:
    with store.building("fit", key) as building:
        (building.out / "data.txt").write_text(text)
        store.commit("fit", key, building, {"label": "test", "summary": {}})


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


def test_a_folder_without_a_manifest_is_no_artifact(store: Store) -> None:
    """The manifest is written last: what has none is a copy somebody interrupted."""
    store.folder("fit", "a").mkdir(parents=True)
    (store.folder("fit", "a") / "data.txt").write_text("half")
    assert not store.has("fit", "a")
    assert store.keys("fit") == []


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


def test_an_unwritable_store_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BenchmarkError, match=r"not writable.*--home"):
        Store(tmp_path / "file" / "runs").prepare()


def _hold(root: Path, started: object, seconds: float) -> None:
    with Store(root).lock("fit", "a", lambda: None):
        started.set()  # type: ignore[attr-defined]
        time.sleep(seconds)


def test_two_runs_wait_for_each_other(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    other = context.Process(target=_hold, args=(store.root, started, 0.5))
    other.start()
    assert started.wait(60)
    waited: list[bool] = []
    with store.lock("fit", "a", lambda: waited.append(True)):
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
