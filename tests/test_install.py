"""What a machine is set up from: every recipe says the same, and none names an index of packages."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmark.cli.main import main
from benchmark.core.machine import cores
from benchmark.simulation import demonstrate, observations, workers
from tests.load_script import load_script
from tests.toy import Toy

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPES = (
    "environment.yml",
    "Dockerfile",
    "CITATION.cff",
    ".github/workflows/test.yml",
    "docs/install.md",
    "scripts/bootstrap.py",
)


def test_the_workflow_runs_what_ci_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    assert commands[-1] == ".ci/run"
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_conda_and_docker_install_this_project_in_its_pinned_versions() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    [pip] = [part["pip"] for part in conda["dependencies"] if isinstance(part, dict)]
    assert pip == ["--constraint constraints.txt", "--editable .[dev]"]
    docker = (ROOT / "Dockerfile").read_text()
    assert '--constraint constraints.txt --editable ".[dev]"' in docker
    for recipe in (docker, str(conda["dependencies"])):
        [version] = set(re.findall(r"python[:=](3\.\d+)", recipe))
        assert PROJECT["requires-python"] == f">={version}"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


@pytest.mark.parametrize("name", RECIPES)
def test_no_recipe_names_an_index(name: str) -> None:
    assert not re.search(r"https?://(?!\S*(/doi/|arxiv))", (ROOT / name).read_text())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"benchmark {PROJECT['version']}"


def test_a_machine_that_does_not_tell_its_cores_has_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert cores() == 7


def test_simulators_run_in_processes_that_are_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, where nothing may fork."""
    assert workers.CONTEXT.get_start_method() == ("forkserver" if sys.platform == "linux" else "spawn")
    config = Toy.Config(resolution=32, episodes=2)
    [forked] = demonstrate.demonstrate(Toy, config, [5], workers=1, timeout=60)
    for module in (workers, observations):
        monkeypatch.setattr(module, "CONTEXT", multiprocessing.get_context("spawn"))
    [spawned] = demonstrate.demonstrate(Toy, config, [5], workers=1, timeout=60)
    assert np.array_equal(forked.frames, spawned.frames)
    assert np.array_equal(forked.actions, spawned.actions)


def test_a_quick_look_is_a_run_that_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.cli.main import parse

    bootstrap: Any = load_script("bootstrap")
    calls: list[list[str]] = []
    bootstrap.missing, bootstrap.install = lambda verb: [], lambda: True
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command, **_: calls.append([str(word) for word in command]) or 0)
    assert bootstrap.main(["run", "--quick-look", "--seeds", "2"]) == 0
    options = parse(calls[0][3:])
    assert (options.methods, options.envs, options.seeds) == (["state", "random", "byol"], ["pusht"], 2)
    assert parse(["run", *bootstrap.QUICK_LOOK]).overrides[0] == "env.pusht.episodes=32"
