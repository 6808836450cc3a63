"""Where results come from, for manifests: versions, commits, hardware. It stands on no key: machines share a store."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from benchmark.core.machine import cores

PACKAGE = "encoder-benchmark"
ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("benchmark", "methods", "policies", "envs")  # of this repository, with code that runs
ENTRY_POINTS = ("benchmark.methods", "benchmark.policies", "benchmark.envs")  # where plug-ins name their components
PACKAGES = ("torch", "torchvision", "timm", "lightly", "numpy", "mujoco", "gymnasium", "gymnasium-robotics", "hydra-core")


@cache
def provenance() -> dict[str, Any]:
    """Versions, commit and hardware, for manifests."""
    import torch

    versions = {PACKAGE: _own_version(), **plugins(), **{name: _version(name) for name in PACKAGES}}
    return {
        "versions": {"python": platform.python_version(), **{name: v for name, v in versions.items() if v}},
        "git": _own_repository(),
        "platform": platform.platform(),
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


@cache
def plugins() -> dict[str, str]:
    """The installed distributions that add components, with their versions."""
    points = [point for group in ENTRY_POINTS for point in entry_points(group=group)]
    return {point.dist.name: point.dist.version for point in points if point.dist and point.dist.name != PACKAGE}


def component_provenance(module_names: Iterable[str]) -> list[dict[str, Any]]:
    """Whose code the components are: the commit that holds each module's file, or None where no repository does."""
    rows = []
    for name in module_names:
        file = getattr(sys.modules.get(name), "__file__", None)
        rows.append({"module": name, "git": _repository(Path(file)) if file else None})
    return rows


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _own_version() -> str | None:
    """Of the code that runs: a checkout's may differ from that of what is installed."""
    project = ROOT / "pyproject.toml"
    if project.is_file() and (about := tomllib.loads(project.read_text()).get("project", {})).get("name") == PACKAGE:
        return about["version"]
    return _version(PACKAGE)


def _own_repository() -> dict[str, Any] | None:
    """The commit of this package, and files of components in it that no commit has: git does not call them changes.

    Ignored files count as well: what is ignored is found and run like any other.
    """
    facts = _repository(ROOT / "benchmark" / "__init__.py")
    if facts is not None:
        listed = _git(ROOT, "ls-files", "--others", "-z", "--", *(f"{room}/*.py" for room in FOLDERS))
        untracked = sorted(filter(None, (listed or "").split("\0")))
        facts |= {"dirty": facts["dirty"] or bool(untracked), "untracked": untracked[:5]}
    return facts


def _repository(file: Path) -> dict[str, Any] | None:
    """The commit of the repository that tracks a file. One that merely lies around it (a .venv in somebody's) does not."""
    file = file.resolve()
    tracked = _git(file.parent, "ls-files", "--error-unmatch", "--", file.name)
    commit = _git(file.parent, "rev-parse", "HEAD")
    if not (tracked and commit):
        return None
    return {"commit": commit, "dirty": bool(_git(file.parent, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints in a folder; None if it fails. A repository named by the environment (in a hook) is not meant."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    }
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {cores()} cores"
