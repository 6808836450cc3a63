"""Imports: whole or not at all, resumable, tied to their source; and the verbs that list and remove them."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.cli.main import main
from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError, Corrupt, UnknownName
from benchmark.data.episodes import DemosWriter
from benchmark.datasets.folder import Folder
from benchmark.datasets.inspect import _facts
from benchmark.datasets.reader import Reader
from benchmark.datasets.recordings import find, verify
from benchmark.storage.artifacts import Store
from tests.datasets import builders
from tests.datasets.builders.content import LENGTHS, SIDE, Built
from tests.datasets.builders.pictures import png
from tests.datasets.taking import take


def read_from(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The episode numbers at which reading began, from now on."""
    starts, original = [], Reader.episodes

    def episodes(self: Reader, start: int, side: int | None) -> Iterator[Episode]:
        starts.append(start)
        return original(self, start, side)

    monkeypatch.setattr(Reader, "episodes", episodes)
    return starts


def test_a_recording_is_held_as_demonstrations_are(store: Store, source: Built) -> None:
    demos = take(store, source.path)
    assert (demos.spec.env, demos.spec.views, demos.spec.hz, demos.spec.resolution) == ("mine", ("front", "side"), 5.0, SIDE)
    assert list(demos.lengths) == list(LENGTHS)
    np.testing.assert_array_equal(demos.frames, np.concatenate(source.frames))
    np.testing.assert_array_equal(demos.actions, np.concatenate(source.actions))
    manifest = store.raw_manifest("recordings", "mine")
    assert manifest["request"]["description"]["actions"]["representation"] == "delta"
    assert len(manifest["request"]["files"]) == 1 + 3 + 2 * sum(LENGTHS)
    assert not list((store.root / "building").iterdir())


def test_resolution_number_and_meaning_can_be_given(store: Store, source: Built) -> None:
    stated = {"hz": 20.0, "representation": "absolute", "gripper": None, "units": "inches"}
    demos = take(store, source.path, side=24, episodes=2, stated=stated)
    assert (len(demos), demos.spec.resolution, demos.spec.hz) == (2, 24, 20.0)
    meaning = store.raw_manifest("recordings", "mine")["request"]["description"]["actions"]
    assert meaning == {"representation": "absolute", "gripper": "1 closes", "units": "inches"}


def test_an_unknown_rate_has_to_be_given(store: Store, tmp_path: Path) -> None:
    path = builders.rlds(tmp_path / "data").path
    with pytest.raises(BenchmarkError, match="add --hz N"):
        take(store, path)
    assert take(store, path, stated={"hz": 3.0}).spec.hz == 3.0


@pytest.mark.parametrize("killed_after", [1, 2])
def test_an_import_goes_on_after_the_last_episode(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    original = DemosWriter.add

    def add(self: DemosWriter, episode: Episode) -> None:
        if len(self) == killed_after:
            self._file.write(b"half an episode")  # what a kill in the middle of writing leaves
            self._file.flush()
            raise KeyboardInterrupt
        original(self, episode)

    monkeypatch.setattr(DemosWriter, "add", add)
    with pytest.raises(KeyboardInterrupt):
        take(store, source.path)
    assert store.keys("recordings") == []
    monkeypatch.setattr(DemosWriter, "add", original)
    starts = read_from(monkeypatch)
    demos = take(store, source.path)
    assert starts == [killed_after]
    assert starts[0] > 0
    np.testing.assert_array_equal(demos.frames, np.concatenate(source.frames))
    np.testing.assert_array_equal(demos.states, np.concatenate(source.states or []))
    assert [info["recorded_as"] for info in demos.infos] == [f"episode_{i:03d}/data.npz" for i in range(3)]
    whole = Store(store.root / "other")
    whole.prepare()
    take(whole, source.path)
    digests = [s.raw_manifest("recordings", "mine")["files"] for s in (store, whole)]
    assert digests[0] == digests[1]


def interrupt_at_the_end(store: Store, source: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """All episodes are noted, and the recording is not finished."""
    with monkeypatch.context() as patch:
        patch.setattr(DemosWriter, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            take(store, source.path)


def work(store: Store) -> Path:
    """Where an interrupted import has left its notes."""
    (folder,) = (store.root / "building/recordings-mine").glob("*/work")
    return folder


NOTES = {"journal/00000001.npz": 1, "journal/00000000.npz": 0, "spec.json": 0, "request.json": 0}


@pytest.mark.parametrize("name", NOTES)
@pytest.mark.parametrize("left", [0, 30, -40])
def test_a_damaged_note_costs_no_more_than_its_episode(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch, name: str, left: int
) -> None:
    interrupt_at_the_end(store, source, monkeypatch)
    note = work(store) / name
    note.write_bytes(note.read_bytes()[:left])
    starts = read_from(monkeypatch)
    np.testing.assert_array_equal(take(store, source.path).frames, np.concatenate(source.frames))
    assert starts == [NOTES[name]]


@pytest.mark.parametrize("text", ["[]", "3", "{}", '{"views": 3}', '{"views": ["front"], "colour": "red"}'])
def test_a_note_of_another_shape_is_written_again(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    interrupt_at_the_end(store, source, monkeypatch)
    (work(store) / "spec.json").write_text(text)
    np.testing.assert_array_equal(take(store, source.path).frames, np.concatenate(source.frames))


def test_a_full_disk_is_told_as_such(store: Store, source: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(self: DemosWriter, episode: Episode) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DemosWriter, "add", add)
    with pytest.raises(BenchmarkError, match="the disk is full"):
        take(store, source.path)


def test_a_folder_in_the_way_is_named(store: Store, source: Built) -> None:
    folder = store.folder("recordings", "mine")
    folder.mkdir(parents=True)
    with pytest.raises(BenchmarkError, match=f"{folder} is in the way: it has no manifest.*remove it"):
        take(store, source.path)
    folder.rmdir()
    take(store, source.path)


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"request": {}, "source": "", "summary": {}}'])
def test_a_damaged_manifest_is_named(text: str, store: Store, source: Built, capsys: pytest.CaptureFixture[str]) -> None:
    take(store, source.path)
    manifest = store.folder("recordings", "mine") / "manifest.json"
    manifest.write_text(text)
    with pytest.raises(Corrupt, match=str(manifest)):
        take(store, source.path)
    for verb in ("verify", "inspect"):
        assert main(["data", verb, "mine", "--home", str(store.root)]) == 2
        assert str(manifest) in capsys.readouterr().err


def test_frames_lost_after_they_were_noted_are_read_again(tmp_path: Path, store: Store, source: Built) -> None:
    spec = take(store, source.path).spec
    writer = DemosWriter(tmp_path / "out", spec, tmp_path / "journal")
    for episode in Folder(source.path).episodes(0, None):
        writer.add(episode)
    (tmp_path / "out/frames.npy").write_bytes((tmp_path / "out/frames.npy").read_bytes()[:-1])
    assert len(DemosWriter(tmp_path / "out", spec, tmp_path / "journal")) == 2
    (tmp_path / "out/frames.npy").unlink()
    assert len(DemosWriter(tmp_path / "out", spec, tmp_path / "journal")) == 0


def test_a_source_that_changed_in_between_is_read_from_the_start(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_the_end(store, source, monkeypatch)
    frame = next(iter(sorted(source.path.rglob("*.png"))))
    frame.write_bytes(png(np.full((SIDE, SIDE, 3), 9, np.uint8)))
    starts = read_from(monkeypatch)
    assert (take(store, source.path).frames[0, 0] == 9).all()
    assert starts == [0]


def test_what_is_imported_is_not_read_again(store: Store, source: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    take(store, source.path)
    starts = read_from(monkeypatch)
    take(store, source.path)
    assert starts == []
    for options, named in (({"side": 24}, r"resolution \(None, now 24\)"), ({"stated": {"hz": 2.0}}, r"description \(hz\)")):
        with pytest.raises(BenchmarkError, match=rf"holds another import; choose another --name.*: {named}$"):
            take(store, source.path, **options)


def test_a_changed_source_is_detected(store: Store, source: Built) -> None:
    take(store, source.path)
    assert "is whole, and so are the 28 files" in verify(store, "mine")
    victim = sorted(source.path.rglob("*.png"))[3]
    kept = victim.read_bytes()
    victim.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(Corrupt, match=f"{victim} has changed since 'mine' was imported"):
        verify(store, "mine")
    with pytest.raises(BenchmarkError, match=rf"holds another import.*: files \({victim.relative_to(source.path)}\)"):
        take(store, source.path)
    victim.unlink()
    with pytest.raises(Corrupt, match=f"{victim} is gone"):
        verify(store, "mine")
    shutil.rmtree(source.path)
    assert "not here any more" in verify(store, "mine")


def test_a_damaged_recording_is_detected(store: Store, source: Built) -> None:
    take(store, source.path)
    path = store.folder("recordings", "mine") / "frames.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"frames\.npy does not match"):
        verify(store, "mine")
    with pytest.raises(Corrupt, match=r"frames\.npy"):
        find(Store(store.root), "mine")
    with pytest.raises(UnknownName, match="did you mean mine"):
        verify(store, "mina")


# --------------------------------------------------------------------------------------------------------- the command


def test_the_verbs(tmp_path: Path, source: Built, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path / "runs")]
    assert main(["data", "inspect", str(source.path), *home]) == 0
    assert "5 per second" in capsys.readouterr().out
    assert main(["data", "import", str(source.path), "--quiet", *home]) == 0
    assert capsys.readouterr().out.startswith("3 episodes, 12 frames\n")
    sheet = tmp_path / "sheet.png"
    assert main(["data", "inspect", "data", "--sheet", str(sheet), "--format", "json", *home]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["episodes"], facts["frames"], facts["steps"]["longest"], facts["hz"]) == (3, 12, 5, 5.0)
    assert facts["views"]["front"] == {"recorded": [SIDE, SIDE], "here": [SIDE, SIDE]}
    assert facts["dimensions"] == {"actions": 3, "proprio": 4, "states": 2}
    assert facts["action_range"][1]["high"] == max(float(a[:, 1].max()) for a in source.actions)
    image = np.asarray(Image.open(sheet))
    assert image.shape == (6 * 100 + 4, 8 * 100 + 4, 3)
    middle = image[4 + 100 + 48, 4 + 48]  # first episode, second view, first frame
    assert np.abs(middle.astype(int) - source.frames[0][0, 1, SIDE // 2, SIDE // 2]).max() < 6
    assert main(["data", "verify", "data", *home]) == 0
    assert main(["data", "inspect", "nothing", *home]) == 2
    assert "'nothing' is no recording and no path; recordings: data" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "value"), [("--resolution", "4"), ("--episodes", "0"), ("--hz", "0"), ("--hz", "nan")])
def test_impossible_flags_stop_before_any_work(flag: str, value: str, tmp_path: Path, source: Built) -> None:
    assert main(["data", "import", str(source.path), flag, value, "--home", str(tmp_path / "runs"), "--quiet"]) == 2
    assert not list((tmp_path / "runs/building").iterdir())


def test_recordings_are_listed_and_removed(store: Store, source: Built, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(store.root)]
    assert main(["data", "list", *home]) == 0
    assert "no recordings in" in capsys.readouterr().out
    take(store, source.path)
    take(store, source.path, "other", side=16)
    capsys.readouterr()
    assert main(["data", "list", "--format", "json", *home]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["episodes"], row["hz"]) for row in rows] == [
        ("recording:mine", 3, "5"),
        ("recording:other", 3, "5"),
    ]
    assert rows[1]["views"] == "front, side at 16 pixels"
    assert main(["data", "rm", "mine", *home]) == 0
    assert store.keys("recordings") == ["mine", "other"]
    assert main(["data", "rm", "mine", "--yes", *home]) == 0
    assert "removed" in capsys.readouterr().out
    assert [path.name for path in (store.root / "recordings").iterdir()] == ["other"]
    assert source.path.exists()
    assert main(["data", "rm", "mine", "--yes", *home]) == 2


def test_sizes_without_the_order_of_views_are_not_guessed() -> None:
    """As imports of earlier versions wrote them: sorted by name."""
    demos: Any = SimpleNamespace(lengths=None, spec=None, infos=[{"recorded_size": {"front": [128, 128], "wrist": [480, 640]}}])
    with pytest.raises(BenchmarkError, match="import it again"):
        _facts(demos, {})
