"""A folder of data sets: each a recording, checked, with a contact sheet; what fails stops none of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Task
from benchmark.data.episodes import DemosWriter
from benchmark.datasets.several import Progress, data_sets_in, import_all
from benchmark.storage.artifacts import Store
from tests.datasets.openx import EPISODES, LENGTHS, openx


class Heard(Task):
    """What was told."""

    def __init__(self) -> None:
        self.news: list[tuple[float, float, str]] = []

    def update(self, done: float, total: float, note: str = "") -> None:
        self.news.append((done, total, note))


def test_a_folder_of_data_sets_becomes_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    openx(tmp_path / "openx")
    shard = next((tmp_path / "openx" / "turning").glob("*/*00003*"))
    shard.write_bytes(shard.read_bytes()[:-9])
    home = tmp_path / "home"
    words = ["data", "import", str(tmp_path / "openx"), "--home", str(home), "--quiet", "--jobs", "2"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert f"gripping: {EPISODES} episodes, {sum(LENGTHS)} frames" in shown
    assert "turning: " in shown
    assert "00003-of-00005, record 0 is truncated" in shown
    assert "GB/h; contact sheets and facts" in shown
    assert "env.mixture.parts=[gripping,sweeping]" in shown
    assert Store(home).keys("recordings") == ["gripping", "sweeping"]
    facts = json.loads((home / "inspected" / "gripping.json").read_text())
    assert (facts["episodes"], facts["frames"], facts["hz"]) == (EPISODES, sum(LENGTHS), 5)
    assert (home / "inspected" / "sweeping.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--name", "all"]) == 2
    assert "have names of their own: leave --name out" in capsys.readouterr().err


def test_an_interrupted_import_of_many_goes_on(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    openx(tmp_path / "openx")
    folders = data_sets_in(tmp_path / "openx")[:2]
    original, added = DemosWriter.add, []

    def add(self: DemosWriter, episode: object) -> None:
        if len(added) == EPISODES + 2:
            raise BenchmarkError("stopped")
        added.append(self.spec.env)
        original(self, episode)  # type: ignore[arg-type]

    monkeypatch.setattr(DemosWriter, "add", add)
    first = import_all(store, folders, Heard(), jobs=1)
    assert [one.error.rpartition(", ")[2] for one in first] == ["", "stopped"]
    monkeypatch.setattr(DemosWriter, "add", lambda self, episode: (added.append(self.spec.env), original(self, episode))[1])
    heard = Heard()
    assert [one.error for one in import_all(store, folders, heard, jobs=1)] == ["", ""]
    assert len(added) == 2 * EPISODES, "no episode was read twice"
    assert heard.news[-1][0] == heard.news[-1][1]


def test_a_data_set_alone_is_not_many(tmp_path: Path) -> None:
    written = openx(tmp_path / "openx")
    assert [path.name for path in data_sets_in(tmp_path / "openx")] == ["gripping", "sweeping", "turning"]
    for one in written.values():
        assert data_sets_in(one.path) == []


def test_the_rate_is_that_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten gigabytes of which nine were there: one in an hour, not ten."""
    now = 0.0
    monkeypatch.setattr("benchmark.datasets.several.time.monotonic", lambda: now)
    heard, path = Heard(), Path("set")
    progress = Progress(heard, {path: 10**10})
    now = 1800.0
    progress.of(path).update(10, 10, "checksums")
    progress.of(path).update(10, 11, "episodes")
    now = 3600.0
    progress.of(path).update(11, 11, "episodes")
    assert heard.news == [
        (9091, 10000, "MB, 1.8 GB/h, set: 10 of 11 episodes"),
        (10000, 10000, "MB, 1.8 GB/h, set: 11 of 11 episodes"),
    ]
    progress.update(path, 1.0, 1.0, "checked")
    assert heard.news[-1][2] == "MB, 1.8 GB/h, set: checked"
