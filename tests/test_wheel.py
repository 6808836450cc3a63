"""Installed from a wheel, beside a project that has a `methods`, a `policies` and an `envs` package of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILT_FROM = ("benchmark", "methods", "policies", "envs", "results/published", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import setuptools.build_meta as backend, sys; print(getattr(backend, sys.argv[1])(sys.argv[2]))"
CLASHING = ("methods", "policies", "envs")
COMPILED = "__pycache__"  # other processes write there meanwhile, under names that go again


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip installs of the wheel that is built from the source distribution: both have to be whole."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in BUILT_FROM:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns(COMPILED))
        else:
            shutil.copy(ROOT / name, source / name)
    sdist = _build(source, "build_sdist", folder)
    with tarfile.open(folder / sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    [unpacked] = (folder / "unpacked").iterdir()
    wheel = _build(unpacked, "build_wheel", folder)
    target = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--target", target]
    subprocess.run([*install, folder / wheel], check=True, capture_output=True)
    return target


def _build(source: Path, hook: str, target: Path) -> str:
    done = subprocess.run([sys.executable, "-c", BUILD, hook, target], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's, whose packages have the names of our folders."""
    for name in CLASHING:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True\n")
    return tmp_path


def test_only_one_name_is_importable(site: Path) -> None:
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"benchmark", "bin"}


def test_nothing_is_left_behind(site: Path) -> None:
    """Every module of the three folders and every file that is no module, such as presets and the page's style."""
    for name in ("benchmark", *CLASHING):
        folder = site / "benchmark" / ("" if name == "benchmark" else name)
        files = {path.relative_to(ROOT / name) for path in (ROOT / name).rglob("*") if path.is_file()}
        absent = [file for file in files if COMPILED not in file.parts and not (folder / file).is_file()]
        assert absent == []
    assert {path.name for path in (site / "benchmark" / "results" / "paper").iterdir()} == {
        path.name for path in (ROOT / "results" / "published").glob("*.csv")
    }


def test_a_project_keeps_its_own_packages_and_gets_ours(site: Path, project: Path) -> None:
    """One process, because each takes seconds to import torch."""
    script = """
import methods, policies, envs, benchmark.methods.byol as byol
from benchmark.cli.main import main
print(methods.MINE, policies.MINE, envs.MINE, byol.__file__)
names = ["--methods", "random,dynamo:no_forward", "--envs", "kitchen", "--preset", "paper", "--home", "store"]
assert main(["list", "methods"]) == main(["plan", *names]) == main(["table", "main", "--source", "published"]) == 0
"""
    (project / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, rest = done.stdout.split("\n", 1)
    assert first == f"True True True {site / 'benchmark' / 'methods' / 'byol.py'}"
    assert "inverse_dynamics" in rest
    assert "rollouts vqbet · dynamo:no_forward · kitchen · seed 0" in rest
    assert "2 cells" in rest
    assert "Published" in rest
