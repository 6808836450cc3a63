"""Where a verb is told to write: refused in one sentence before any work, and nothing is replaced that is no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.cli.main import main, parse

FILES = (["report", "--output"], ["bench", "--output"], ["data", "inspect", "x", "--sheet"], ["data", "make", "x", "--video"])
FOLDERS = (["report", "--figures"], ["results", "export"], ["data", "export", "x", "--to", "lerobot"])


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 2, "one sentence, and where to find help"
    return told


@pytest.mark.parametrize("verb", FILES, ids=" ".join)
def test_devices_pipes_and_folders_are_not_replaced_by_a_file(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place, what in ((tmp_path / "pipe", "device"), (Path("/dev/full"), "device"), (tmp_path, "is a folder")):
        assert what in refused([*verb, str(place)], capsys)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("verb", [*FILES, *FOLDERS], ids=" ".join)
def test_nothing_is_written_below_a_file(verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    assert f"{tmp_path / 'file'} is no folder" in refused([*verb, str(tmp_path / "file/a/b")], capsys)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("verb", [*FILES, *FOLDERS], ids=" ".join)
def test_a_name_that_is_too_long_is_told(verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be written: File name too long" in refused([*verb, str(tmp_path / ("a" * 300))], capsys)


@pytest.mark.parametrize("verb", [*FILES, *FOLDERS, ["doctor", "--home"], ["table", "main", "--records"]], ids=" ".join)
def test_a_name_that_a_shell_left_empty_is_told(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "the name is empty" in refused([*verb, ""], capsys)


def test_no_names_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no name is given" in refused(["plan", "--methods", " ,"], capsys)
    assert parse(["plan", "--methods", "byol, random"]).methods == ["byol", "random"]
