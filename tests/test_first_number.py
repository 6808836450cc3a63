"""The time to the first number: what is watched for, and what the README says of it."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.load_script import load_script

ROOT = Path(__file__).parent.parent


first_number: Any = load_script("first_number")
PRINTED = """
import pathlib, sys
print("setting up", flush=True)
pathlib.Path(".venv").mkdir(); pathlib.Path(".venv/installed").touch()
print("2 cells, 11 of 11 stages to do: about 28 s", flush=True)
for line in sys.argv[1:]: print(line, flush=True)
"""
LINES = ["  rollouts knn · random: 1/8 last scored 0.5", "[1/2] random · pusht · knn · seed 0: 0.00 of 1 (8 episodes)"]


def test_installing_the_first_number_and_the_end_come_in_this_order(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PRINTED, *LINES]
    installed, number, table = first_number.watch(command, tmp_path, time.monotonic())
    assert -0.1 < installed <= number <= table


@pytest.mark.parametrize("lines", [[], LINES[:1], ["[1/2] random · pusht · knn · seed 0 failed"]])
def test_a_run_without_a_number_is_no_measurement(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(SystemExit, match="no first number"):
        first_number.watch([sys.executable, "-c", PRINTED, *lines], tmp_path, time.monotonic())


def test_the_sentence_has_the_recorded_times() -> None:
    record = first_number.FirstNumber(2.0, 122.4, 185.0, 432.0, 2, 0.1, "3.11.7", "abc", True)
    assert first_number.sentence(record) == (
        "From `git clone` to the first number 3 min 05 s, to the whole table 7 min 12 s; 2 min 00 s of it is installing "
        "(measured on 2 cores)."
    )


def test_the_readme_says_what_was_measured() -> None:
    """Or how to measure it."""
    [said] = re.findall(r"<!-- first number -->\n(.*?)<!-- end -->", (ROOT / "README.md").read_text(), re.S)
    if not first_number.RECORD.is_file():
        assert "scripts/first_number.py" in said
        return
    record = first_number.FirstNumber(**json.loads(first_number.RECORD.read_text()))
    assert asdict(record)["number"] > 0
    assert first_number.sentence(record) in " ".join(said.split())


def test_the_command_is_the_readmes_first() -> None:
    [first, *_] = re.findall(r"^    (python3 .*?)(?:  +#.*)?$", (ROOT / "README.md").read_text(), re.M)
    assert first == " ".join(first_number.COMMAND)
