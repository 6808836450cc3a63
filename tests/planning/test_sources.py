"""What a module says, kept from one process to the next: never of another text, and never needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.planning import sources

TEXT = b"from . import near\nimport far\n__all__ = ['near']\n"


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHMARK_CODE_CACHE", str(tmp_path / "notes"))
    return tmp_path / "notes"


def unparsable(monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(data: bytes, package: str) -> sources.Source:
        raise AssertionError("it was read already")

    monkeypatch.setattr(sources, "_parsed", parsed)


def test_a_text_is_parsed_once(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sources.read(TEXT, "here")
    assert first == sources._parsed(TEXT, "here")
    assert first.imports == ("far", "here", "here.near")
    assert first.exports == ("near",)
    unparsable(monkeypatch)
    assert sources.read(TEXT, "here") == first
    assert len(list(notes.iterdir())) == 1


def test_another_text_package_or_reader_is_read_by_itself(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sources.read(TEXT, "here")
    assert sources.read(TEXT, "there").imports == ("far", "there", "there.near")
    assert sources.read(TEXT.replace(b"far", b"off"), "here").digest != first.digest
    monkeypatch.setattr(sources, "READER", "a newer one")
    unparsable(monkeypatch)
    with pytest.raises(AssertionError, match="read already"):
        sources.read(TEXT, "here")


WRONG = ["", "{", "[]", '{"digest": 3, "imports": [], "exports": []}', '{"digest": "a"}', "\udcff"]
UNSEALED = '{"digest": "a", "imports": [], "exports": []}'


@pytest.mark.parametrize("damage", [*WRONG, *(f"{sources.seal_of(text)} {text}" for text in WRONG[:-1]), UNSEALED])
def test_whatever_is_wrong_with_the_notes_the_text_is_read(notes: Path, damage: str) -> None:
    first = sources.read(TEXT, "here")
    [note] = notes.iterdir()
    note.write_bytes(damage.encode(errors="surrogateescape"))
    assert sources.read(TEXT, "here") == first
    assert json.loads(note.read_text().partition(" ")[2])["digest"] == first.digest


def test_a_letter_that_changed_is_no_other_digest(notes: Path) -> None:
    first = sources.read(TEXT, "here")
    [note] = notes.iterdir()
    other = "0" if first.digest[-1] != "0" else "1"
    note.write_text(note.read_text().replace(first.digest, first.digest[:-1] + other))
    assert sources.read(TEXT, "here") == first


def test_without_a_place_for_notes_the_text_is_read(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sources.read(TEXT, "here")
    (notes.parent / "file").touch()
    monkeypatch.setenv("BENCHMARK_CODE_CACHE", str(notes.parent / "file" / "below"))
    assert sources.read(TEXT, "here") == wanted
    monkeypatch.setenv("BENCHMARK_CODE_CACHE", "~nobody_has_this_name/code")
    assert sources.read(TEXT, "here") == wanted


def test_a_full_disk_leaves_nothing_half_written(notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, text: str) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert sources.read(TEXT, "here").exports == ("near",)
    assert list(notes.iterdir()) == []
