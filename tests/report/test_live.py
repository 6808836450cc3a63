"""What a terminal shows of a run: drawn to recorded terminals of several widths."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from benchmark.report import live
from benchmark.report.live import Counts, Grid, Running, Screen
from benchmark.results.bundle import Results
from benchmark.results.options import Column, RowId
from benchmark.results.partial import CellScore, Place
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView
from benchmark.storage.columns import RECORD_COLUMNS
from tests.fake_results import make

KITCHEN, PUSHT = Column("kitchen", "mlp"), Column("pusht", "mlp")
FLOOR, BYOL, DYNAMO = RowId("random"), RowId("byol"), RowId("dynamo")


@pytest.fixture(autouse=True)
def _clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.time, "monotonic", lambda: 1000.0)


def screen(*policies: str) -> Screen:
    _, cells = make(("kitchen", "pusht"), policies or ("mlp",))
    outline = ResultsView(Results(pd.DataFrame(columns=RECORD_COLUMNS), cells.assign(status="pending")))
    absent = frozenset(Place(column, RowId("r3m")) for column in outline.columns)
    shown = Screen(outline, Grid(absent=absent), since=live.time.monotonic() - 60)
    shown.grid = replace(
        shown.grid,
        scores={Place(KITCHEN, FLOOR): score(2.06, 1), Place(PUSHT, FLOOR): score(0.5, 3)},
        running=frozenset({Place(KITCHEN, BYOL)}),
    )
    shown.stages = [Running("pretrain · byol · kitchen · seed 0", live.time.monotonic() + 3000, 1200, 4000, "loss 0.31")]
    shown.counts = Counts(cells=40, done=3, failed=0, waiting=3600)
    return shown


def score(mean: float, seeds: int) -> CellScore:
    return CellScore(mean, 16, 0, seeds, lambda: Interval(mean, mean - 0.4, mean + 0.4, "episodes"))


def drawn(shown: Screen, width: int, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(shown)
    text: Any = console.file
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("policies", [("mlp",), ("mlp", "knn"), ("mlp", "knn", "vqbet", "bet")])
def test_a_row_is_a_line_and_nothing_is_wider_than_the_terminal(width: int, policies: tuple[str, ...]) -> None:
    shown = screen(*policies)
    lines = drawn(shown, width)
    assert max(map(len, lines)) <= width
    labels = [line.split()[0] for line in lines]
    rows = [str(row) for row in shown.outline.rows]
    start = labels.index("state")
    assert labels[start : start + len(rows)] == rows
    assert "2.06" in lines[labels.index("random")]
    assert lines[-2].startswith("━━━━━━━━━━ pretrain · byol · kitchen · seed 0")
    assert lines[-1].startswith("about 1 h 50 min left · 3 of 40 cells done")


def test_intervals_are_shown_where_there_is_room_for_them() -> None:
    wide, narrow = ("\n".join(drawn(screen("mlp", "knn"), width)) for width in (120, 60))
    assert "2.06 [1.66, 2.46] 1/3" in wide
    assert "0.50 [0.10, 0.90]" in wide
    assert "3/3" not in wide, "all seeds are in"
    assert "running" in wide
    assert "[1.66" not in narrow
    assert "2.06 1/3" in narrow


def test_columns_without_room_are_counted() -> None:
    lines = drawn(screen("mlp", "knn", "vqbet", "bet"), 60)
    assert any(line.startswith("and ") and line.endswith(" more columns") for line in lines)


def test_a_low_terminal_shows_the_rows_with_news_and_the_bounds() -> None:
    lines = drawn(screen(), 120, height=9)
    assert len(lines) < 9
    text = "\n".join(lines)
    assert "byol" in text.split("pretrain")[0], "it runs"
    assert "and 3 more rows" in text
    assert "dynamo:no_forward" not in text
    assert "cells done" in text


def test_a_failure_and_what_cannot_run_are_shown_at_the_next_redraw() -> None:
    shown = screen()
    before = drawn(shown, 120)
    assert not any("failed" in line for line in before)
    shown.grid = replace(shown.grid, failed=frozenset({Place(KITCHEN, DYNAMO)}))
    shown.counts = replace(shown.counts, failed=1)
    lines = drawn(shown, 120)
    (line,) = [line for line in lines if line.startswith("dynamo ")]
    assert line.split()[1:] == ["failed", "·"]
    assert next(line for line in lines if line.startswith("r3m")).split()[1:] == ["—", "—"]
    assert "1 failed" in lines[-1]


def test_a_redraw_lays_nothing_out_that_has_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen()
    first = drawn(shown, 120)
    monkeypatch.setattr(live, "_Layout", None)
    shown.counts = replace(shown.counts, done=4)
    again = drawn(shown, 120)
    assert again[:-1] == first[:-1]
    assert "4 of 40" in again[-1]


def test_of_many_stages_a_few_are_shown() -> None:
    shown = screen()
    shown.stages = [Running(f"fit {n}", live.time.monotonic() + 60) for n in range(10)]
    text = "\n".join(drawn(shown, 60))
    assert "fit 2" in text
    assert "fit 3" not in text
    assert "and 7 more stages" in text
