"""The process that reads: what it gives, and how it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.datasets import open_source, wire
from benchmark.datasets.reader import COMMAND, Reader
from tests.datasets import builders
from tests.watching import lives

OPENED: dict[str, Any] = {"kind": "opened", "path": ".", "format": "folder", "files": []}
SAID: dict[str, Any] = {"views": ["a"], "episodes": 1, "hz": 1.0, "notes": [], "env": None}
SAID["actions"] = {"representation": "unknown", "gripper": "unknown", "units": "\x1b[31mred\u202e"}


def says(*messages: dict[str, Any], then: str = "") -> list[str]:
    """A process that says this, whatever it is asked."""
    data = b"".join(map(wire.pack, messages))
    return [sys.executable, "-c", f"import os, sys, time; os.write(1, {data!r}); {then}"]


def alive(pid: int) -> bool:
    try:
        return lives(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def test_it_gives_what_the_importer_gives(tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    direct = open_source(root)
    with Reader(root) as source:
        assert (source.format, source.description, source.files) == (direct.format, direct.describe(), direct.files())
        for ours, theirs in zip(source.episodes(1, 8), direct.episodes(1, 8), strict=True):
            assert ours.info == theirs.info
            for name in wire.TYPES:
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
                assert getattr(ours, name).dtype == wire.TYPES[name]


def test_one_that_is_silent_is_given_up_and_killed(tmp_path: Path) -> None:
    command = says(OPENED | {"description": SAID}, then="time.sleep(600)")
    source = Reader(tmp_path, command=command)
    source._seconds = 0.3
    with source, pytest.raises(BenchmarkError, match=r"no sign of progress for 0\.3 seconds \(--time-limit"):
        next(source.episodes(0, None))
    assert source._process.returncode == -9


def test_what_it_started_is_killed_with_it(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    start = f"import subprocess as s; p = s.Popen(['sleep', '600']); open({str(started)!r}, 'w').write(str(p.pid))"
    nonsense = "os.write(1, (5).to_bytes(8, 'little') + b'{{{{{')"
    with pytest.raises(BenchmarkError, match="cannot be understood"):
        Reader(tmp_path, command=says(then=f"{start}; {nonsense}; time.sleep(600)"))
    pid = int(started.read_text())
    for _ in range(1000):
        if not alive(pid):
            return
        time.sleep(0.05)
    raise AssertionError("it still runs")


@pytest.mark.parametrize(
    ("then", "message"),
    [
        ("os.kill(os.getpid(), 11)", "stopped by SIGSEGV"),
        ("sys.exit(3)", "ended with status 3"),
        ("os.write(1, b'nonsense')", "memory|status|understood"),
        ("os.write(1, (5).to_bytes(8, 'little') + b'{{{{{')", "cannot be understood"),
        (f"os.write(1, {wire.pack({'kind': 'end'})!r})", "said something else"),
    ],
)
def test_one_that_dies_or_talks_nonsense_is_told_in_one_sentence(then: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=message) as error:
        Reader(tmp_path / "x", command=says(then=then))
    assert str(error.value).startswith(f"{tmp_path / 'x'}: ")


def test_what_is_missing_here_is_not_wrong_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="needs x"):
        Reader(tmp_path, command=says({"kind": "error", "text": "needs x", "unavailable": True}))


def test_texts_of_strangers_are_cleaned(tmp_path: Path) -> None:
    with Reader(tmp_path, command=says(OPENED | {"description": SAID})) as source:
        assert source.description.actions.units == "�[31mred�"
    with pytest.raises(BenchmarkError) as error:
        Reader(tmp_path, command=says({"kind": "error", "text": "a\x1b]0;x\x07b", "unavailable": False}))
    assert str(error.value) == "a�]0;x�b"


@pytest.mark.parametrize("view", ["../../x", "a/b", "", "..", "x" * 101])
def test_a_view_cannot_name_a_place_elsewhere(view: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="cannot name a folder of an export"):
        Reader(tmp_path, command=says(OPENED | {"description": SAID | {"views": [view]}}))


def test_it_needs_no_torch_and_runs_nothing_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    (root / "numpy.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(root)
    with Reader(root) as source:
        assert len(list(source.episodes(0, None))) == 3
        maps = Path(f"/proc/{source._process.pid}/maps")
        assert not maps.is_file() or "libtorch" not in maps.read_text()
    assert "-P" in COMMAND
