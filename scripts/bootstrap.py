#!/usr/bin/env python3
"""From a fresh machine to a result, or to a tested checkout, in one command. Needs Python >= 3.11 and nothing else.

    python3 scripts/bootstrap.py run [ARGUMENTS]    set up .venv, then `benchmark run` (all methods on kitchen by default)
    python3 scripts/bootstrap.py run --quick-look   the same with a small table, in about four minutes on two cores
    python3 scripts/bootstrap.py test [ARGUMENTS]   set up .venv, then the test suite
    python3 scripts/bootstrap.py setup              only set up

Run it again at any time: what is installed is left alone unless pyproject.toml or constraints.txt changed.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
# Ceiling, floor and one trained row under a head that needs no training: what a table looks like, and nothing to conclude from
QUICK_LOOK = [
    *("--methods", "state,random,byol", "--envs", "pusht", "--policies", "knn"),
    *("env.pusht.episodes=32", "pretrain.frames=5000", "rollout.episodes=8"),
]
DISK_GB = 9  # torch with its CUDA libraries takes 5.5 GB, the rest 1 GB, pip needs room to unpack


def main(arguments: list[str]) -> int:
    verb, *rest = arguments or ["--help"]
    if verb not in ("run", "test", "setup"):
        print(__doc__)
        return 0 if verb in ("-h", "--help") else 2
    problems = missing(verb)
    if problems:
        print("This machine is not ready:\n" + "\n".join(f"  - {problem}" for problem in problems), file=sys.stderr)
        return 2
    if not install():
        return 1
    if verb == "run":
        rest = [word for part in rest for word in (QUICK_LOOK if part == "--quick-look" else [part])]
        rest = rest or ["--methods", "all", "--envs", "kitchen"]
        return subprocess.call([PYTHON, "-m", "benchmark", "run", *rest], cwd=ROOT)
    if verb == "test":
        return subprocess.call([PYTHON, "-m", "pytest", "-n", "auto", *rest], cwd=ROOT)
    print(f"ready: {PYTHON.relative_to(ROOT)} -m benchmark --help")
    return 0


def missing(verb: str) -> list[str]:
    """What has to be fixed first, each with the command that fixes it."""
    problems = []
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before anything has checked
        version = ".".join(map(str, sys.version_info[:2]))
        problems.append(f"Python {version} is too old, 3.11 is needed: sudo apt-get install python3.11 python3.11-venv")
    if importlib.util.find_spec("ensurepip") is None:
        problems.append("Python's venv module is incomplete: sudo apt-get install python3-venv")
    free = shutil.disk_usage(ROOT).free / 1e9
    if not STAMP.exists() and free < DISK_GB:
        problems.append(f"{free:.1f} GB of disk are free, {DISK_GB} GB are needed: free some, or clone to a larger disk")
    if (
        verb != "setup"
        and sys.platform == "linux"
        and not (ctypes.util.find_library("EGL") or ctypes.util.find_library("OSMesa"))
    ):
        problems.append("no GL library to draw images with: sudo apt-get install libegl1 libgl1-mesa-dri  (or libosmesa6)")
    return problems


def install() -> bool:
    """Make .venv and install the project into it, unless that is done."""
    recipe = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    wanted = hashlib.sha256(recipe + sys.version.encode()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return True
    print("setting up .venv (a few minutes: torch alone is 2 GB to download)", file=sys.stderr)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    target = f"{ROOT}[dev]"
    commands = [
        [sys.executable, "-m", "venv", VENV],
        [*pip, "--constraint", ROOT / "constraints.txt", "--editable", target],
    ]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for command in commands:
        if subprocess.call(command, env=environment) != 0:
            print(
                f"\nsetting up failed at: {' '.join(map(str, command))}\n"
                "The messages above say why. It takes a network; after a broken download run this again.",
                file=sys.stderr,
            )
            return False
    STAMP.write_text(wanted)
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
