"""The two commands at the top of the README: what they say when the machine is not ready."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType

import pytest

from tests.load_script import load_script

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bootstrap() -> ModuleType:
    return load_script("bootstrap")


def test_this_machine_is_ready(bootstrap: ModuleType) -> None:
    assert bootstrap.missing("run") == []


def test_what_is_missing_comes_with_the_command_that_mends_it(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: usage(10**12, 0, 2 * 10**9))
    monkeypatch.setattr(bootstrap, "STAMP", Path("/nonexistent"))
    monkeypatch.setattr(bootstrap.ctypes.util, "find_library", lambda _: None)
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda _: None)
    assert bootstrap.main(["run"]) == 2
    message = capsys.readouterr().err
    assert "2.0 GB of disk are free, 9 GB are needed" in message
    assert "apt-get install libegl1" in message
    assert "apt-get install python3-venv" in message
    assert not any("GL library" in problem for problem in bootstrap.missing("setup"))


def test_an_installed_environment_is_left_alone(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "installed")
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **_: calls.append(list(map(str, command))) or 0)
    assert bootstrap.install()
    assert any("venv" in part for part in calls[0])
    assert "--constraint" in calls[1]
    calls.clear()
    assert bootstrap.install()
    assert calls == []


def test_a_failed_download_is_said_and_tried_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "installed")
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **_: 1)
    assert bootstrap.main(["test"]) == 1
    assert "run this again" in capsys.readouterr().err
    assert not bootstrap.STAMP.exists()


def test_the_readme_begins_with_two_commands_that_exist() -> None:
    commands = re.findall(r"^    (python3 scripts/bootstrap.py \w+)", (ROOT / "README.md").read_text(), re.M)
    assert [c.split()[-1] for c in commands] == ["run", "test"]
    assert commands[1] in (ROOT / ".ci" / "run").read_text()
    help_text = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bootstrap.py", "--help"], capture_output=True, text=True, check=True
    )
    assert all(c.split(maxsplit=1)[1] in help_text.stdout for c in commands)


def test_constraints_pin_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [d for group in (project["dependencies"], project["optional-dependencies"]["dev"]) for d in group]
    names = {re.split(r"[<>=\[; ]", d)[0].lower().replace("_", "-") for d in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert names - {project["name"]} <= pinned


def test_every_command_in_the_readme_is_understood(tmp_path: Path) -> None:
    """Parsed, not run: running all methods takes minutes. The first two are run by whoever reads this."""
    from benchmark.cli.main import parse

    commands = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", (ROOT / "README.md").read_text(), re.M)
    assert len(commands) >= 5
    for command in commands:
        parse(command.split())
