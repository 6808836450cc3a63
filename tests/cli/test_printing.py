"""Rows as aligned columns, or as JSON."""

from __future__ import annotations

import json

import pytest

from benchmark.cli.main import parse
from benchmark.cli.printing import fitting, print_rows

ROWS = [{"name": "a", "n": 1, "nothing": None, "source": "x"}, {"name": "longer", "n": 23, "nothing": "", "source": None}]


def test_columns_are_aligned_and_empty_ones_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, "text")
    assert capsys.readouterr().out == "name    n   source\na       1   x\nlonger  23\n"
    print_rows([], "text")
    assert capsys.readouterr().out.strip() == ""


def test_one_long_entry_does_not_widen_its_column_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "x" * 100, "n": 1}, {"name": "y", "n": 2}], "text")
    assert capsys.readouterr().out.splitlines()[2] == "y" + " " * 59 + "  2"


def test_json_keeps_everything(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, "json")
    assert json.loads(capsys.readouterr().out) == ROWS


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("benchmark.cli.printing.columns_of_terminal", lambda: 50)
    return 50


def test_lines_fit_a_terminal_and_commands_stand_whole_below(narrow: int, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"not installed: x. Fix it with: python -m pip install {' '.join('abcdefghijklmnop')}"
    rows = [
        {"name": "first", "source": "s" * 80, "n": 1, "missing": command},
        {"name": "second", "source": "short", "n": 2, "missing": None},
    ]
    print_rows(rows, "text")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"  missing: {command}"
    assert [len(line) <= narrow for line in lines] == [True, True, False, True]
    assert lines[1].startswith("first")
    assert lines[1].rstrip().endswith("1")
    assert "s…" in lines[1]


def test_a_pipe_gets_everything(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    print_rows([{"name": "first", "source": "s" * 200}], "text")
    assert "s" * 200 in capsys.readouterr().out
    assert fitting("a ", "b" * 80, " c") == f"a {'b' * 80} c"


def test_a_label_gives_way(narrow: int) -> None:
    assert fitting("fit  ", "b" * 80, " about 3 s") == f"fit  {'b' * 34}… about 3 s"
    assert len(fitting("fit  ", "b", " about 3 s")) == narrow


def test_help_in_a_pipe_is_not_folded_at_80(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["run", "--help"])
    assert any("--config FILE" in line and line.endswith("flags go first") for line in capsys.readouterr().out.splitlines())
