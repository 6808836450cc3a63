"""What the documents tell people to do, done."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main, parse

ROOT = Path(__file__).parent.parent
ADDED = {"adding_a_method.md": "methods", "adding_a_policy.md": "policies", "adding_an_environment.md": "envs"}


def code_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.S)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with one more method, policy and environment: the files of the documents, put where these say."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "benchmark", folder / "benchmark", symlinks=True)  # its links lead to the folders below
    (folder / "results").symlink_to(ROOT / "results")
    for document, kind in ADDED.items():
        shutil.copytree(ROOT / kind, folder / kind, ignore=shutil.ignore_patterns("__pycache__"))
        [name] = re.findall(rf"`{kind}/(\w+)\.py`", (ROOT / "docs" / document).read_text())
        [source] = code_blocks(ROOT / "docs" / document)
        (folder / kind / f"{name}.py").write_text(source)
    return folder


def in_project(project: Path, *arguments: str) -> str:
    """In a process of its own, so that simulator workers find the files as well."""
    command = [sys.executable, "-m", "benchmark", *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("document", ADDED)
def test_a_component_is_one_file_of_the_length_that_is_said(document: str) -> None:
    [lines] = re.findall(r"\((\d+) lines\)", (ROOT / "docs" / document).read_text())
    [source] = code_blocks(ROOT / "docs" / document)
    assert len(source.splitlines()) == int(lines)


@pytest.mark.parametrize("name", ["barlow_twins", "gaussian", "cart"])
def test_an_added_component_keeps_its_promises(project: Path, name: str) -> None:
    assert "ok " in in_project(project, "check", name)


def test_added_components_make_a_table_without_an_edit_elsewhere(project: Path) -> None:
    names = ["--methods", "state,barlow_twins:no_augmentation", "--envs", "cart", "--policies", "gaussian"]
    table = in_project(project, "run", *names, "--preset", "smoke", "--home", str(project / "runs"), "--quiet")
    assert "barlow_twins:no_augmentation" in table


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


def test_every_command_and_setting_about_launchers_is_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be is run, without starting anything: the settings of clusters are checked as those of this machine are."""
    text = (ROOT / "docs" / "launchers.md").read_text()
    commands = re.findall(r"^    python -m benchmark (run .*?)(?:  +#.*)?$", text, re.M)
    settings = re.findall(r'"([a-z]+\.\w+=\[.*?\])"|`([a-z_]+\.[a-z_.]+=[^`]+)`', text)
    assert len(commands) >= 8
    assert len(settings) >= 15
    matrix = "--methods random --envs kitchen --policies knn"
    for command in commands:
        assert parse(shlex.split(command.replace("...", matrix))).launcher in ("local", "slurm", "ray")
    words = ["run", *matrix.split(), "--dry-run", "--home", str(tmp_path), *(a or b for a, b in settings)]
    assert main(words) == 0
    assert "rollouts knn · random" in capsys.readouterr().out


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
