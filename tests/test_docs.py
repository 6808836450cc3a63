"""What the documents tell people to do, done."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import methods
from benchmark import conformance, registry
from benchmark.cli.main import main, parse
from benchmark.contracts.method import Method
from benchmark.registry import Registry

ROOT = Path(__file__).parent.parent


def code_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.S)


def test_a_method_is_added_by_one_short_file(
    tmp_path: Path, toy: type, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = code_blocks(ROOT / "docs" / "adding_a_method.md")[0]
    assert len(source.splitlines()) < 60
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "barlow_twins.py").write_text(source)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    fresh: Registry[Method] = Registry("method", "methods", Method)  # type: ignore[type-abstract]
    monkeypatch.setattr(registry, "methods", lambda: fresh)
    assert [r.error for r in conformance.check(fresh.get("barlow_twins"))] == [None] * len(conformance.promises_of(Method))
    arguments = ["--methods", "random,barlow_twins:no_augmentation", "--envs", "toy", "--preset", "smoke"]
    assert main(["run", *arguments, "--home", str(tmp_path / "runs"), "--quiet"]) == 0
    assert "barlow_twins:no_augmentation" in capsys.readouterr().out


def test_documents_name_only_files_that_exist() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\(((?!http)[^)#]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_generated_tables_are_what_the_committed_records_say() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "regenerate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_command_about_recordings_is_understood() -> None:
    commands = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", (ROOT / "docs" / "recordings.md").read_text(), re.M)
    assert {command.split()[1] for command in commands} == {"import", "inspect", "verify", "export"}
    for command in commands:
        parse(shlex.split(command))


def test_every_command_of_the_readme_is_understood(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Those that only look are run; those that compute are planned."""
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", text, re.M)
    switches = re.findall(r"^\| `(-.*?|[a-z_.]+=.*?)` \|", text, re.M)
    assert len(commands) >= 5
    assert len(switches) >= 8
    for command in [*commands, *(f"run {switch}" for switch in switches)]:
        words = shlex.split(command)
        if words[0] in ("list", "doctor"):
            assert main(words) == 0
        elif words[0] in ("run", "plan"):
            assert main(["plan", *words[1:], "--home", str(tmp_path)]) == 0, command
        else:
            parse(words)
    assert "cells" in capsys.readouterr().out
