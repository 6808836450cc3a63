"""The table of verbs: complete, true, and cheap to look at; what ends a program, and how."""

from __future__ import annotations

import errno
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from benchmark.cli import main as cli
from benchmark.cli.main import VERBS, main, parse
from benchmark.core.errors import BenchmarkError

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "hydra", "omegaconf", "numpy", "pandas", "matplotlib", "benchmark.registry")
LOOK = f"""
import sys
from benchmark.cli.main import main
for words in sys.argv[1:]:
    try:
        main(words.split(","))
    except SystemExit as stop:
        assert stop.code == 0, words
    heavy = [name for name in {HEAVY} if name in sys.modules]
    assert not heavy, f"{{words}} imports {{heavy}}"
print("modules:", *sorted(name for name in sys.modules if name.startswith("benchmark.")))
"""


def look(*commands: str) -> str:
    """What these commands print, in a process of its own in which none of them may import anything heavy."""
    command = [sys.executable, "-c", LOOK, *commands]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def actions(verb: str) -> dict[str, object]:
    return getattr(importlib.import_module(VERBS[verb].module), "ACTIONS", {})


def test_help_shows_every_verb_and_imports_none() -> None:
    text, _, modules = look("--help").partition("modules: ")
    assert {name.removeprefix("benchmark.") for name in modules.split()} == {
        "cli",
        "cli.main",
        "cli.parser",
        "core",
        "core.errors",
        "core.home",
        "core.signals",
        "core.text",
    }
    for name, verb in VERBS.items():
        assert f"    {name} " in text
        assert verb.help.split(":")[0] in " ".join(text.split())


def test_help_of_every_verb_and_action_is_its_docstring_and_imports_nothing_heavy() -> None:
    commands = [(verb, action) for verb in VERBS for action in ("", *actions(verb))]
    assert ("results", "gc") in commands
    text = look(*(",".join(filter(None, (*words, "--help"))) for words in commands))
    for verb, action in commands:
        assert f"usage: benchmark {verb} {action}".strip() in text
        documented = actions(verb)[action].run if action else importlib.import_module(VERBS[verb].module)  # type: ignore[attr-defined]
        for line in documented.__doc__.strip().splitlines():
            assert line.strip() in text


@pytest.mark.parametrize("name", VERBS)
def test_the_table_says_what_the_docstring_of_a_verb_says(name: str) -> None:
    module = importlib.import_module(VERBS[name].module)
    assert (module.__doc__ or "").split("\n")[0] == VERBS[name].help
    assert callable(module.arguments)
    assert callable(module.run)


def verb_that(monkeypatch: pytest.MonkeyPatch, run) -> None:
    module = SimpleNamespace(__doc__="Test.", run=run, arguments=importlib.import_module("benchmark.cli.doctor").arguments)
    real = importlib.import_module
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: module if name == "benchmark.cli.doctor" else real(name))


def test_an_error_of_the_user_is_one_line_and_exits_2(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def run(options):
        raise BenchmarkError("the disk is full")

    verb_that(monkeypatch, run)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "error: the disk is full\n"


def test_an_interrupt_says_how_to_go_on_and_exits_130(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def run(options):
        raise KeyboardInterrupt

    verb_that(monkeypatch, run)
    assert main(["doctor"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_a_disk_that_gives_out_is_one_line_and_a_mistake_of_ours_is_not(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def run(options):
        raise error

    verb_that(monkeypatch, run)
    for number in (errno.ENOSPC, errno.EROFS, errno.ESTALE):
        error = OSError(number, os.strerror(number), "/data/runs/last.json")
        assert main(["doctor"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"error: {os.strerror(number)}: /data/runs/last.json" in said
    error = OSError(errno.EBADF, "Bad file descriptor")
    with pytest.raises(OSError, match="Bad file"):
        main(["doctor"])


def test_a_reader_that_has_gone_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(options):
        raise BrokenPipeError

    verb_that(monkeypatch, run)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["doctor"]) == 0
    assert sys.stderr.closed, "nothing more is said, not even by Python when it flushes"


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_home_is_the_home_of_all_that_a_verb_does_and_of_nothing_after_it(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("BENCHMARK_HOME", raising=False)
    if before:
        monkeypatch.setenv("BENCHMARK_HOME", before)
    homes = []
    verb_that(monkeypatch, lambda options: homes.append(os.environ["BENCHMARK_HOME"]) or 0)
    assert main(["doctor", "--home", "mine"]) == 0
    assert main(["doctor"]) == 0
    assert homes == ["mine", before or "runs"]
    assert os.environ.get("BENCHMARK_HOME") == before


def test_a_verb_is_run_by_its_module() -> None:
    for name, verb in VERBS.items():
        module: ModuleType = importlib.import_module(verb.module)
        if name in ("run", "plan", "doctor", "report", "power"):
            assert parse([name]).run is module.run


def test_a_terminal_without_these_letters_shows_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    verb_that(monkeypatch, lambda options: print("─ 0.5 ±") or 0)
    bytes_ = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_, encoding="ascii", errors="strict"))
    assert main(["doctor"]) == 0
    sys.stdout.flush()
    assert bytes_.getvalue() == b"? 0.5 ?\n"
