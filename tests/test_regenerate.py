"""Markers of generated tables: of one folder of records or of several, and those that cannot be read."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli.main import parse
from benchmark.core.errors import BenchmarkError
from benchmark.results.bundle import Results
from benchmark.results.export import export, load
from tests.fake_settings import setting
from tests.load_script import load_script

ROOT = Path(__file__).parent.parent
PUSHT, KITCHEN = "| Push-T, mlp |", "| Franka Kitchen, mlp |"


regenerate: Any = load_script("regenerate")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for env in ("kitchen", "pusht"):
        export(Results(*setting((env,), state=0.8, random=0.1, episodes=8)), tmp_path / f"{env}-5")
    monkeypatch.setattr(regenerate, "MEASURED", tmp_path)


def marked(folders: str) -> str:
    return f"before\n<!-- table resolution of {folders} -->\nold\n<!-- end -->\nafter\n"


@pytest.mark.usefixtures("measured")
def test_a_marker_names_one_folder_of_records_or_several() -> None:
    one = regenerate.filled(marked("pusht-5"))
    assert (PUSHT in one, KITCHEN in one, "old" in one) == (True, False, False)
    both = regenerate.filled(marked("kitchen-5, pusht-5"))
    assert both.index(KITCHEN) < both.index(PUSHT)
    assert both.startswith("before\n<!-- table resolution of kitchen-5, pusht-5 -->\n")
    assert both.endswith("<!-- end -->\nafter\n")
    assert regenerate.filled(both) == both


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("folders", ["kitchen-5 pusht-5", "kitchen-5,pusht-5", "../kitchen-5", ""])
def test_a_marker_that_cannot_be_read_is_no_silence(folders: str) -> None:
    with pytest.raises(BenchmarkError, match="a marker of a table is none of"):
        regenerate.filled(marked(folders))


@pytest.mark.usefixtures("measured")
def test_a_marker_without_an_end_does_not_swallow_the_next() -> None:
    with pytest.raises(BenchmarkError, match="a marker of a table is none of"):
        regenerate.filled(marked("pusht-5").replace("<!-- end -->", "") + marked("kitchen-5"))


@pytest.mark.parametrize(
    ("wrong", "right"), [("0.81 [0.64, 0.89]", "0.82 [0.64, 0.89]"), ("--seeds=3", "--seeds=4"), ("| -0.36 |", "| -0.45 |")]
)
def test_what_the_readme_says_of_several_records_is_what_they_say(wrong: str, right: str) -> None:
    text = (ROOT / "README.md").read_text()
    assert regenerate.filled(text) == text
    assert wrong in text
    assert regenerate.filled(text.replace(wrong, right)) == text


def test_a_command_makes_the_records_again_and_says_nothing_of_the_machine() -> None:
    command = regenerate.again(ROOT / "results" / "measured" / "open-door")  # with one thread, its request says
    options = "--methods=state,random --envs=open_door --policies=mlp --seeds=1 rollout.episodes=32"
    assert command == f"    python -m benchmark run {options}"
    folder = ROOT / "results" / "measured" / "pusht-standard-h100"
    assert parse(shlex.split(regenerate.again(folder))[3:]).preset == load(folder).provenance["request"]["preset"] == "standard"


@pytest.mark.usefixtures("measured")
def test_goals_are_told_row_by_row() -> None:
    (folder := regenerate.MEASURED / "goals").mkdir()
    names = [f"{of}{end}" for of in ("own", "other", "other_minus_own") for end in ("", "_low", "_high")]
    for env, first in (("mixture", 0.1), ("block_push", 0.5)):
        values = ",".join(f"{first + 0.01 * number:.4f}" for number in range(9))
        (folder / f"{env}.csv").write_text(f"cell,data_set,score,{','.join(names)}\ngc_bc,{env},squared error,{values}\n")
    text = regenerate.filled("<!-- goals of mixture, block_push -->\nold\n<!-- end -->\n")
    rows = [
        "| gc_bc | mixture | squared error | 0.10 [0.11, 0.12] | 0.13 [0.14, 0.15] | 0.16 [0.17, 0.18] |",
        "| gc_bc | block_push | squared error | 0.50 [0.51, 0.52] | 0.53 [0.54, 0.55] | 0.56 [0.57, 0.58] |",
    ]
    assert text.splitlines()[4:-2] == rows
    assert "old" not in text
