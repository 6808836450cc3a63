"""Exported records that somebody else made or spoiled: taken as they are meant, or refused with file, line and column."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.core.text import printable, printable_lines
from benchmark.report.drawing import encoded
from benchmark.report.gallery import gallery
from benchmark.report.page import page
from benchmark.results import csv_files
from benchmark.results import export as exports
from benchmark.results.bundle import Results
from benchmark.results.csv_files import TextTable, read_texts
from benchmark.results.export import export, load
from benchmark.results.view import ResultsView
from tests.fake_results import make

REQUEST: dict[str, Any] = {"methods": ["all"], "envs": ["kitchen"], "policies": ["mlp"], "overrides": [], "preset": "quick"}
REQUEST |= {"seeds": 3, "first_seed": 0}
MACHINE = {"git": {"commit": "a" * 40, "dirty": False}}
STAGE = {"kind": "fit", "label": "a fit", "provenance": 0, "summary": {}}
KNOWN = {"request": REQUEST, "cells": [], "stages": {"k": STAGE}, "provenance": [MACHINE]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export(Results(*make(), provenance=json.loads(json.dumps(KNOWN))), tmp_path / "records")
    return tmp_path / "records"


def edit(path: Path, change: Callable[[list[str]], None]) -> None:
    lines = path.read_text().split("\n")
    change(lines)
    path.write_text("\n".join(lines))


def put(frame: str, row: int, column: str, value: str) -> Callable[[Path], None]:
    """Another value in line `row` of a file."""

    def spoil(folder: Path) -> None:
        table = pd.read_csv(folder / f"{frame}.csv", dtype=str, keep_default_na=False)
        table.loc[row - 2, column] = value
        table.to_csv(folder / f"{frame}.csv", index=False, lineterminator="\n")

    return spoil


def lines(name: str, change: Callable[[list[str]], None]) -> Callable[[Path], None]:
    return lambda folder: edit(folder / name, change)


def known(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / "provenance.json").write_text(json.dumps({**KNOWN, **changes}))


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a text as a score": (
        put("records", 4, "score", "high"),
        r"records\.csv, line 4, column score: 'high' is no finite number",
    ),
    "an infinite score": (put("records", 4, "score", "inf"), r"records\.csv, line 4, column score: 'inf' is no finite"),
    "nan as a score": (put("records", 4, "score", "nan"), r"records\.csv, line 4, column score: 'nan' is no finite"),
    "no score": (put("records", 4, "score", ""), r"records\.csv, line 4, column score: is empty"),
    "99 of 4": (put("records", 4, "score", "99"), r"records\.csv, line 4, column score: 99 is not from 0 to 4"),
    "a crash of the highest score": (
        lambda folder: (put("records", 4, "score", "4")(folder), put("records", 4, "crashed", "True")(folder))[0],
        r"records\.csv, line 4, column score: 4 of an episode that crashed, which has the lowest, 0",
    ),
    "a seed of 1.5": (put("records", 3, "seed", "1.5"), r"records\.csv, line 3, column seed: '1\.5' is no whole number"),
    "a crash that is perhaps": (put("records", 3, "crashed", "perhaps"), r"column crashed: 'perhaps' is neither True nor"),
    "an episode of no cell": (put("records", 3, "method", "other"), r"records\.csv, line 3, column method: other in kitchen"),
    "a status of its own": (put("cells", 3, "status", "ok"), r"cells\.csv, line 3, column status: 'ok' is none of done"),
    "a range upside down": (put("cells", 3, "metric_low", "9"), r"cells\.csv, line 3, column metric_high: 4 is not above"),
    "a flag that is none": (put("cells", 3, "privileged", "2"), r"cells\.csv, line 3, column privileged: '2' is neither"),
    "rows twice": (
        lines("records.csv", lambda x: x.insert(7, x[2].replace(",280,", ",281,"))),
        r"records\.csv, line 8 repeats line 3: episode 1 of state",
    ),
    "a cell twice": (lines("cells.csv", lambda x: x.insert(7, x[2])), r"cells\.csv, line 8 repeats line 3: state in kitchen"),
    "no episode of a cell": (
        lines("records.csv", lambda x: x.__delitem__(slice(1, 11))),
        r"cells\.csv, line 2, column status: is done",
    ),
    "a short row": (lines("records.csv", lambda x: x.__setitem__(5, "a,b")), r"records\.csv, line 6 has 2 fields, its header"),
    "an open quote": (lines("records.csv", lambda x: x.__setitem__(5, '"a')), r"records\.csv, line \d+.*(no CSV|fields)"),
    "two columns of one name": (
        lines("records.csv", lambda x: x.__setitem__(0, x[0].replace("steps", "score"))),
        "each column once",
    ),
    "no scores": (
        lines("records.csv", lambda x: x.__setitem__(0, x[0].replace("score", "x"))),
        r"records\.csv lacks the column score",
    ),
    "bytes": (lambda folder: (folder / "records.csv").write_bytes(b"\xff\xfe\x00"), r"records\.csv cannot be read as text"),
    "nothing": (
        lambda folder: (folder / "cells.csv").write_bytes(b""),
        r"cells\.csv: its first line does not name each column",
    ),
    "no provenance": (lambda folder: (folder / "provenance.json").unlink(), r"provenance\.json is missing.*interrupted"),
    "deep JSON": (lambda folder: (folder / "provenance.json").write_text("[" * 10**5), r"provenance\.json cannot be read"),
    "a list": (
        lambda folder: (folder / "provenance.json").write_text("[]"),
        r"provenance\.json: it is \[\], expected an object",
    ),
    "no request": (known(request=None), r"request is null, expected an object"),
    "overrides of another kind": (
        known(request=REQUEST | {"overrides": ["x"]}),
        'request/overrides is "x", expected KEY=VALUE',
    ),
    "seeds as a text": (known(request=REQUEST | {"seeds": "3"}), r"request/seeds is \"3\", expected a number"),
    "a commit that is a command": (
        known(provenance=[{"git": {"commit": "x; rm -rf ~", "dirty": False}}]),
        r"provenance/0/git/commit is \"x; rm -rf ~\", expected a commit's hash",
    ),
    "a stage of no kind": (known(stages={"k": STAGE | {"kind": "x"}}), r"stages/k/kind is \"x\", expected one of demos"),
    "a machine that is not there": (known(stages={"k": STAGE | {"provenance": 1}}), "expected one of 1 machines"),
    "a cell without a name": (known(cells=[{"stages": {}}]), r"cells/0/env is null, expected a text"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_wrong_is_told_with_its_place(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, message = SPOILED[kind]
    spoil(folder)
    with pytest.raises(BenchmarkError, match=message):
        load(folder)
    assert main(["table", "main", "--records", str(folder), "--home", str(folder / "home")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {folder}/")
    assert told.count("\n") == 1


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan", "NaN", "", "1", "True", "$\\frac{$", "$", "_x^", "a&b<c>"])
def test_a_method_may_be_called_anything(name: str, tmp_path: Path) -> None:
    records, cells = make(seeds=1, episodes=3)
    for frame in (records, cells):
        frame["method"] = frame.method.replace("byol", name or "byol")
    export(Results(records, cells, provenance=json.loads(json.dumps(KNOWN))), tmp_path)
    view = ResultsView(load(tmp_path))
    assert (name or "byol") in {row.method for row in view.rows}
    assert view.episodes(view.column, next(r for r in view.rows if r.method == (name or "byol"))).score.notna().all()


def test_figures_take_names_literally(tmp_path: Path) -> None:
    records, cells = make(seeds=2, episodes=3)
    for frame in (records, cells):
        frame["method"] = frame.method.replace("byol", "$\\frac{$")
    cells["env_title"] = "a $\\frac{$ b"
    drawings, undrawn = gallery(ResultsView(Results(records, cells)))
    assert drawings
    assert all(encoded(drawing.figure, "svg") for drawing in drawings)
    assert not any("frac" in reason for reason in undrawn)


def test_escape_sequences_reach_no_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for frame in ("records", "cells"):
        path = folder / f"{frame}.csv"
        path.write_text(
            path.read_text().replace("byol", "by\x1b]0;owned\x07ol\u202e").replace("no weights here", "no\x1b[2J weights")
        )
    for style in ("text", "csv", "md", "latex", "html", "json"):
        assert main(["table", "main", "--records", str(folder), "--format", style, "--home", str(folder / "home")]) == 0
        shown = capsys.readouterr().out
        assert "owned" in shown
        assert not any(c in shown for c in "\x1b\x07\u202e")


def test_text_is_cleaned_of_all_that_is_no_text() -> None:
    assert printable("Franka Küche · 3 % ✓ 漢字") == "Franka Küche · 3 % ✓ 漢字"
    assert printable("a\tb\nc\x00\x9b\u2028\ud800e") == "a b c����e"
    assert printable_lines("a\x1b\nb") == "a�\nb"


def test_a_commit_is_quoted_where_it_becomes_a_command() -> None:
    provenance = {**KNOWN, "provenance": [{"git": {"commit": "x; touch /tmp/owned", "dirty": False}}]}
    text = page(ResultsView(Results(*make(seeds=1, episodes=3), provenance=provenance)))
    assert "git checkout &#x27;x; touch /tmp/owned&#x27;" in text


@pytest.mark.parametrize("killed_at", range(5))
def test_a_killed_export_does_not_mix_two(killed_at: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def write(path: Path, text: str) -> None:
        if len(written) == killed_at:
            raise KeyboardInterrupt
        path.write_text(text)
        written.append(path)

    other = Results(*make(episodes=4), provenance=json.loads(json.dumps(KNOWN)))
    monkeypatch.setattr(exports, "write_text", write)
    with pytest.raises(KeyboardInterrupt):
        export(other, folder)
    with pytest.raises(BenchmarkError, match="their export was interrupted"):
        load(folder)
    monkeypatch.undo()
    export(other, folder)
    assert len(load(folder).records) == len(other.records)


def rows_of(table: TextTable) -> list[list[str]]:
    return table.frame().to_numpy().tolist()


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n"1\n2",3\n\n4,5\n')
    table = read_texts(path)
    assert rows_of(table) == [["1 2", "3"], ["4", "5"]]
    assert list(table.lines) == [2, 5]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a,b\n1,2\n",
            "a,b\n1,2",
            "a,b\n,\n",
            "a\n1\n2\n",
            "a,b\n1.0,1\n1,01\n",
            "a,b\nNA,nan\nnull, x \n#,'\n",
            "a,b\nä,\x1b[1m\n",
        ),
        *("a,b\n", "a,b", "", "\n", "a,b\n1,2,3\n", "a,b\n1\n", "a,b\n1,2,3\n4\n", "a,b\n1,2\n\n3,4\n", "a,b\r\n1,2\r\n"),
        *(
            'a,b\n"1,2",3\n',
            'a,b\n"1,2\n',
            "a,a\n1,2\n",
            "a,b\n1,\0\n",
            "a,b\n1,2\x0c\n3,4\u2028\n",
            "a,b\n1,2\r3,4\n",
            "\ufeffa,b\n1,2\n",
        ),
    ],
)
def test_a_plain_file_is_read_as_any_other(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As columns, which is quick, or field by field."""
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())

    def read() -> Any:
        try:
            table = read_texts(path)
        except BenchmarkError as error:
            return str(error)
        return table.header, list(table.lines), rows_of(table)

    quick = read()
    monkeypatch.setattr(csv_files, "_plain", lambda path, data: None)
    assert read() == quick


def test_an_episode_without_a_cell_is_nobody_elses(folder: Path) -> None:
    """Though the last cell of the file is done."""
    edit(folder / "cells.csv", lambda lines: lines.__setitem__(slice(1, None), [x for x in lines[2:] if ",r3m," not in x]))
    with pytest.raises(BenchmarkError, match=r"records\.csv, line 2, column method: .* is not in cells\.csv"):
        load(folder)


def test_a_plain_file_is_read_quickly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "_quoted", None)
    assert len(read_texts(folder / "records.csv").lines) == len(make()[0])
