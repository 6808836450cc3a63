"""What the documents tell people to do, done."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.cli.main import main, parse
from tests.datasets.openx import openx

ROOT = Path(__file__).parent.parent
ADDED = {
    "adding_a_method.md": "methods",
    "adding_a_policy.md": "policies",
    "adding_an_environment.md": "envs",
    "adding_a_gymnasium_environment.md": "envs",
    "adding_a_checkpoint.md": "methods",
}


def code_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.S)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with one more method, policy and environment: the files of the documents, put where these say."""
    folder, compiled = tmp_path_factory.mktemp("project"), shutil.ignore_patterns("__pycache__")  # others write there meanwhile
    shutil.copytree(ROOT / "benchmark", folder / "benchmark", symlinks=True, ignore=compiled)  # its links lead to those below
    (folder / "results").symlink_to(ROOT / "results")
    for document, kind in ADDED.items():
        shutil.copytree(ROOT / kind, folder / kind, ignore=compiled, dirs_exist_ok=True)
        [name] = re.findall(rf"`{kind}/(\w+)\.py`", (ROOT / "docs" / document).read_text())
        [source] = code_blocks(ROOT / "docs" / document)
        (folder / kind / f"{name}.py").write_text(source)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 8, 4), torch.nn.ReLU(), torch.nn.Conv2d(32, 64, 4, 2))
    save_file(network.state_dict(), folder / "my_encoder.safetensors")  # what adding_a_checkpoint.md calls trained elsewhere
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


def test_added_components_keep_their_promises(project: Path) -> None:
    """In one process, because each takes seconds to import torch; `check` of one of them is tested in cli/test_check.py."""
    names = ["barlow_twins", "gaussian", "my_encoder", "cart", "reacher"]
    script = f"import sys; from benchmark.cli.main import main; sys.exit(sum(main(['check', name]) for name in {names}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name}: " in done.stdout for name in names)


def test_added_components_make_a_table_without_an_edit_elsewhere(project: Path) -> None:
    names = ["--methods", "barlow_twins:no_augmentation,my_encoder", "--envs", "cart,reacher", "--policies", "gaussian"]
    table = in_project(project, "run", *names, "--preset", "smoke", "--home", str(project / "runs"), "--quiet")
    assert "barlow_twins:no_augmentation" in table
    assert "my_encoder" in table
    assert "reacher" in table


def test_documents_name_only_files_that_exist() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\(((?!http)[^)#]+)\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_generated_tables_are_what_the_committed_records_say() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "regenerate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_way_from_recordings_to_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of docs/recordings.md, one after another, on recordings of a source that the contract's example makes."""
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    monkeypatch.chdir(tmp_path)
    registry.envs().get("recording").example(tmp_path)  # type: ignore[attr-defined]
    (tmp_path / "source").rename("my_recordings")
    (tmp_path / "somewhere").mkdir()
    commands = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", (ROOT / "docs" / "recordings.md").read_text(), re.M)
    assert {"import", "list", "inspect", "verify", "export", "rm"} <= {command.split()[1] for command in commands}
    for command in commands:
        quietly = ["--quiet", "machine.threads=1"] if command.startswith("run") else []
        assert main([*shlex.split(command), *quietly]) == 0, command
    shown = capsys.readouterr().out
    assert "| *state (ceiling: sees the simulator state)* |" in shown
    assert "mine (recording)" in shown
    assert (tmp_path / "somewhere" / "mine" / "meta" / "info.json").is_file()


def test_the_way_from_several_robots_to_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of docs/mixtures.md, on a small Open X: what viola does not say is said by a command."""
    monkeypatch.chdir(tmp_path)
    for name, one in zip(("bridge", "viola", "toto"), openx(tmp_path / "openx").values(), strict=True):
        one.path.rename(tmp_path / "openx" / name)
    facts = tmp_path / "openx" / "viola" / "recording.json"
    facts.write_text(json.dumps({"hz": 20}))
    commands = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", (ROOT / "docs" / "mixtures.md").read_text(), re.M)
    assert [command.split()[0] for command in commands] == ["data", "data", "data", "run", "table", "demo", "plan"]
    for command in commands:
        quietly = ["--quiet", "machine.threads=1", "machine.cores=1"] if command.startswith("run") else []
        assert main([*shlex.split(command), *quietly]) == 0, command
    shown = capsys.readouterr().out
    assert "viola: mean action" in shown
    assert "recording:toto" in shown
    assert (tmp_path / "viola.png").is_file()


def test_the_files_and_commands_about_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Planned, and the files are those of the document."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "settings.md").read_text()
    for name, content in zip(("mine", "longer"), re.findall(r"```yaml\n(.*?)```", text, re.S), strict=True):
        (tmp_path / f"{name}.yaml").write_text(content)
    planned = []
    for command in re.findall(r"^    python -m benchmark (.*)$", text, re.M):
        verb, *words = shlex.split(command)
        words = words[: words.index("--save-config")] if "--save-config" in words else words
        assert main(["plan", *words]) == 0, command
        assert verb in ("run", "plan")
        planned.append(capsys.readouterr().out)
    rows = ["byol:lr=1e-4", "byol:lr=3e-4", "byol:finetuned+lr=1e-4"]
    assert [[row in out for row in rows] for out in planned] == [
        [False, False, False],
        [True, True, False],
        [False, False, False],
        [True, True, False],
        [True, False, True],
        [False, False, False],
    ]


def test_every_command_and_setting_about_launchers_is_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be is run, without starting anything: the settings of clusters are checked as those of this machine are."""
    text = (ROOT / "docs" / "launchers.md").read_text()
    commands = re.findall(r"^    python -m benchmark (run .*?)(?:  +#.*)?$", text, re.M)
    settings = re.findall(r'"([a-z]+\.\w+=\[.*?\])"|`([a-z_]+\.[a-z_.]+=[^`]+)`', text)
    assert len(commands) >= 8
    assert len(settings) >= 15
    (deepspeed,) = re.findall(r"^    (\{.*?\}\n)(?=\n)", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    Path("zero2.json").write_text(deepspeed)
    matrix = "--methods random --envs kitchen --policies knn"
    for command in commands:
        assert parse(shlex.split(command.replace("...", matrix))).launcher in ("local", "slurm", "ray")
    words = ["run", *matrix.split(), "--dry-run", "--home", str(tmp_path), *(a or b for a, b in settings)]
    assert main(words) == 0
    assert "rollouts knn · random" in capsys.readouterr().out


def test_the_command_about_small_trainings_is_understood_as_a_shell_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "launchers.md").read_text(), re.S)
    spoken = block[block.index("run ") :].replace("run ", "printf '%s\\n' run ", 1)
    words = subprocess.run(["bash", "-c", spoken], capture_output=True, text=True, check=True).stdout.split()
    assert "resources.tokenize.cores=1" in words
    assert main([*words, "--dry-run", "--home", str(tmp_path)]) == 0
    assert "pretrain · moco_v3 · pusht · seed 2" in capsys.readouterr().out


def test_every_command_of_the_readme_is_understood(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Those that only look are run; those that compute are planned."""
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^    python -m benchmark (.*?)(?:  +#.*)?$", text, re.M)
    switches = re.findall(r"^\| `(-.*?|[a-z_.]+=.*?)` \|", (ROOT / "docs" / "settings.md").read_text(), re.M)
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
