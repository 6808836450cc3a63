"""What manifests say about whose code ran."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from benchmark.core import provenance as facts
from benchmark.core.provenance import component_provenance, plugins, provenance


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for function in (provenance, plugins):
        function.cache_clear()
    yield
    for function in (provenance, plugins):
        function.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that looks like this one."""
    root = tmp_path / "checkout"
    for name in ("benchmark/__init__.py", "methods/byol.py", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "pyproject.toml").write_text('[project]\nname = "encoder-benchmark"\nversion = "7.8.9"\n')
    (root / ".gitignore").write_text("methods/secret.py\nruns/\n")
    _git(root, "init", "-q")
    _git(root, "add", ".")
    _git(root, "commit", "-qm", "start")
    monkeypatch.setattr(facts, "ROOT", root)
    return root


def test_a_clean_checkout(checkout: Path) -> None:
    facts = provenance()
    assert facts["git"] == {"commit": _git(checkout, "rev-parse", "HEAD"), "dirty": False, "untracked": []}
    assert facts["versions"]["encoder-benchmark"] == "7.8.9"
    assert facts["versions"]["torch"] == version("torch")
    assert facts["threads"] == torch.get_num_threads()
    assert facts["capability"] == torch.backends.cpu.get_cpu_capability()


def test_an_edited_file_is_dirty(checkout: Path) -> None:
    (checkout / "methods/byol.py").write_text("SCALE = 2\n")
    assert provenance()["git"]["dirty"] is True
    assert provenance()["git"]["untracked"] == []


@pytest.mark.parametrize("name", ["methods/mine.py", "envs/mine/scene.py", "methods/secret.py"])
def test_an_untracked_component_is_dirty_and_named(name: str, checkout: Path) -> None:
    """Also an ignored one: it is found and run all the same."""
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("")
    facts = provenance()["git"]
    assert facts["dirty"] is True
    assert facts["untracked"] == [name]


def test_other_untracked_files_are_not(checkout: Path) -> None:
    (checkout / "notes.py").write_text("")
    (checkout / "methods" / "notes.txt").write_text("")
    assert provenance()["git"]["dirty"] is False


def test_at_most_five_are_named(checkout: Path) -> None:
    for index in range(7):
        (checkout / f"methods/mine{index}.py").write_text("")
    assert provenance()["git"]["untracked"] == [f"methods/mine{index}.py" for index in range(5)]


@pytest.mark.parametrize("ignored", [True, False])
def test_a_wheel_inside_somebodys_repository_has_no_commit(
    ignored: bool, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = checkout / (".venv" if not ignored else "runs") / "site-packages"
    (installed / "benchmark").mkdir(parents=True)
    (installed / "benchmark" / "__init__.py").write_text("")
    monkeypatch.setattr(facts, "ROOT", installed)
    record = provenance()
    assert record["git"] is None
    assert record["versions"]["encoder-benchmark"] == version("encoder-benchmark")


def test_a_hook_of_another_repository_changes_nothing(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git tells its hooks where their repository is, through the environment."""
    commit = _git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert provenance()["git"]["commit"] == commit


def test_the_code_of_a_user_has_its_own_commit(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("kept", "draft"):
        (theirs / f"{name}.py").write_text("")
        module = types.ModuleType(name)
        module.__file__ = str(theirs / f"{name}.py")
        monkeypatch.setitem(sys.modules, f"users_{name}", module)
    _git(theirs, "init", "-q")
    _git(theirs, "add", "kept.py")
    _git(theirs, "commit", "-qm", "theirs")
    own = {"commit": _git(theirs, "rev-parse", "HEAD"), "dirty": False}
    assert own["commit"] != _git(checkout, "rev-parse", "HEAD")
    modules = ["users_kept", "users_draft", "no_such_module"]
    assert component_provenance(modules) == [
        {"module": "users_kept", "git": own},
        {"module": "users_draft", "git": None},
        {"module": "no_such_module", "git": None},
    ]
    (theirs / "kept.py").write_text("SCALE = 2\n")
    assert component_provenance(["users_kept"])[0]["git"]["dirty"] is True


def test_plug_ins_are_recorded_with_their_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "rows_lib-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rows-lib\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[benchmark.policies]\nrow = rows:Row\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins() == {"rows-lib": "1.2"}
    assert provenance()["versions"]["rows-lib"] == "1.2"


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, benchmark.core.provenance as m; m.plugins(); m.cores(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
