"""Rows as aligned columns, or as JSON."""

from __future__ import annotations

import json

import pytest

from benchmark.cli.printing import print_rows

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
