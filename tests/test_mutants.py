"""The list of faults is true to the code: scripts/mutants.py tries them, which takes minutes; this takes a second."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

from tests.load_script import load_script

ROOT = Path(__file__).parent.parent
SUBJECTS = {
    *("articulated", "bench", "block_push", "budgets", "dagger", "demonstrators", "encoders", "features", "foreign"),
    *("gc_bc", "goals", "habits", "heads", "keys", "launch", "layers", "libero", "live", "masks", "memory", "mixture"),
    *("normalisation", "order", "paper", "plan", "policies", "pretraining", "processes", "recipe", "reference", "reliability"),
    *(
        "results",
        "rt1",
        "seeds",
        "selection",
        "spawnnet",
        "splits",
        "statistics",
        "storage",
        "tasks",
        "told",
        "training",
        "weights",
    ),
}


mutants: Any = load_script("mutants")


@pytest.mark.parametrize("fault", mutants.FAULTS, ids=lambda fault: fault.name)
def test_a_fault_changes_one_place_of_code_that_still_compiles(fault: Any) -> None:
    text = (ROOT / fault.file).read_text()
    assert text.count(fault.before) == 1, "the code was changed: change the fault, too"
    changed = text.replace(fault.before, fault.after)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))


@pytest.mark.parametrize("test", sorted({fault.test for fault in mutants.FAULTS}))
def test_the_named_test_exists(test: str) -> None:
    path, _, name = test.partition("::")
    functions = {node.name for node in ast.parse((ROOT / "tests" / path).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert name.split("[")[0] in functions


def test_every_subject_has_faults_and_no_fault_comes_twice() -> None:
    assert {fault.name.split(":")[0] for fault in mutants.FAULTS} == SUBJECTS
    assert len({fault.name for fault in mutants.FAULTS}) == len({(f.file, f.before, f.after) for f in mutants.FAULTS})
    assert len({fault.name for fault in mutants.FAULTS}) == len(mutants.FAULTS) >= 25


def test_a_fault_is_caught_survives_or_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a repository of two functions; its only test is run here instead of by pytest."""
    source = tmp_path / "arithmetic.py"
    source.write_text("def double(x):\n    return 2 * x\n\n\ndef same(x):\n    return x\n")

    def run_tests(copy: Path, tests: list[str]) -> int:
        assert copy != tmp_path
        names: dict[str, Any] = {}
        exec((copy / "arithmetic.py").read_text(), names)
        os.write(1, b"double(3) is not 6\n")
        return int(names["double"](3) != 6) if "double" in names else 4

    def outcome(*changes: tuple[str, str]) -> tuple[int, list[str]]:
        monkeypatch.setattr(mutants, "FAULTS", [mutants.Fault(b, "arithmetic.py", b, a, "test_double") for b, a in changes])
        code = mutants.main(["--jobs", "1"])
        return code, [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]

    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "COPIED", ("arithmetic.py",))
    monkeypatch.setattr(mutants, "run_tests", run_tests)
    monkeypatch.setattr(mutants, "OTHERS", ())
    before = source.read_text()
    assert outcome(("2 * x", "3 * x")) == (0, ["caught", "1 of 1 caught"])
    for fault, words in (
        (("return x", "return 7"), "SURVIVED"),
        (("return 5", "return 6"), "fragment not found"),
        (("x)", "y)"), "fragment not found"),
        (("def double", "def triple"), "error 4"),
    ):
        assert outcome(("2 * x", "3 * x"), fault) == (1, ["caught", words, "1 of 2 caught"])
    assert source.read_text() == before, "faults go into copies"
    source.write_text(before.replace("2", "4"))
    assert outcome(("4 * x", "3 * x")) == (1, ["double(3) is not 6", "", "fails without any fault"])


def test_a_fault_never_changes_what_the_copy_only_links_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "results" / "table.csv"
    record.parent.mkdir()
    record.write_text("score\n1\n")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "COPIED", ())
    monkeypatch.setattr(mutants, "run_tests", lambda copy, tests: mutants.CAUGHT)
    fault = mutants.Fault("a", "results/table.csv", "1", "2", "test")
    assert mutants.attempt(fault, tmp_path) == mutants.NOT_FOUND
    assert record.read_text() == "score\n1\n"
