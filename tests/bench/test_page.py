"""What a reader sees: the page, the lines on a terminal, the ratios to an earlier run, the JSON that carries them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.bench.measurement import Measurement, Report
from benchmark.bench.page import SECTIONS, line, markdown, ratios
from benchmark.bench.text import milliseconds, number, percent
from benchmark.core.errors import BenchmarkError

FACTS = {
    "versions": {"python": "3.12.1", "torch": "2.11.0"},
    "git": {"commit": "0123456789abcdef", "dirty": True},
    "processor": "Fast, 2 cores",
    "capability": "AVX2",
    "threads": 2,
    "gpu": None,
}
STEP = Measurement("pretrain/a@96/eager", "frames/s", 1234.5, 0.123, 1 / 10000, 617.0, "5 ms a step of 6")
LINES = (
    Measurement("ceiling/copy", "GB/s", 10.0, 0.01),
    STEP,
    Measurement("pretrain/a@96/captured", reason="no GPU"),
    Measurement("pretrain/b@96/captured", reason="no GPU"),
    Measurement("fit/c", reason="ValueError: odd", failed=True),
)
REPORT = Report("python -m benchmark bench --quick", "2026-01-02T03:04:05+00:00", FACTS, LINES, 0.25)


def test_the_page_says_what_was_measured_where_and_by_which_command() -> None:
    page = markdown(REPORT)
    for text in ("`python -m benchmark bench --quick`", "no GPU", "Fast, 2 cores, 2 threads", "torch 2.11.0", REPORT.date):
        assert text in page
    assert "- Commit: 0123456789, with changes" in page
    assert "- Meanwhile: other processes took 25% of the processors" in page


def test_a_line_has_rate_spread_floor_share_and_reference() -> None:
    [row] = [text for text in markdown(REPORT).splitlines() if "a@96/eager" in text and text.startswith("|")]
    assert row == "| a@96/eager | 1 230 frames/s | 12% | 10 000 | 12% | 617 | 5 ms a step of 6 |"


def test_columns_that_nothing_fills_are_left_out() -> None:
    section = markdown(REPORT).split("## ")[1]
    assert "| Rate | Spread |\n" in section
    assert "Released code" not in section
    assert "Released code" in markdown(REPORT).split("## ")[2]


def test_what_was_not_measured_stands_below_with_its_reason_once() -> None:
    page = markdown(REPORT)
    assert "a@96/captured, b@96/captured not measured: no GPU" in page
    assert "c failed: ValueError: odd" in page
    assert [title for title, _ in SECTIONS.values() if f"## {title}\n" in page] == [
        "Ceilings of the machine",
        "Pretraining steps",
        "Policy heads",
    ]


def test_a_line_on_the_terminal() -> None:
    assert " ".join(line(STEP).split()) == "pretrain/a@96/eager 1 230 frames/s, spread 12%, 12% of the ceiling"
    assert " ".join(line(LINES[2]).split()) == "pretrain/a@96/captured — no GPU"


def test_ratios_are_new_over_old_of_what_both_have() -> None:
    new = replace(REPORT, measurements=(replace(STEP, rate=2469.0, spread=0.5), replace(LINES[2], rate=1.0, spread=0.0)))
    [row] = [text for text in ratios(REPORT, new).splitlines() if text.strip().startswith("pretrain/")]
    assert " ".join(row.split()) == "pretrain/a@96/eager 1 230 frames/s 2 470 frames/s 2.00 50%"
    assert "machines differ" not in ratios(REPORT, new)


def test_ratios_between_machines_say_so() -> None:
    assert "machines differ" in ratios(REPORT, replace(REPORT, provenance={**FACTS, "gpu": "H200"}))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    REPORT.save(tmp_path / "a.json")
    assert Report.load(tmp_path / "a.json") == REPORT


@pytest.mark.parametrize("text", ["", "[]", '{"command": "x"}'])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BenchmarkError, match=r"a\.json is no result of `bench`"):
        Report.load(tmp_path / "a.json")


def test_numbers() -> None:
    assert [number(x) for x in (0.001234, 4.567, 999.4)] == ["0.00123", "4.57", "999"]
    assert [number(x) for x in (1234.5, 9_999_999)] == ["1 230", "10 000 000"]
    assert [percent(x) for x in (2.5, 0.123, 0.00642)] == ["250%", "12%", "0.64%"]
    assert milliseconds(0.00123) == "1.23 ms"
