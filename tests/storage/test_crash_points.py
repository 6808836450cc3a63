"""The short form of two scripts: a run that is stopped anywhere goes on to the same records."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def script(name: str, *arguments: str) -> str:
    command = [sys.executable, ROOT / "scripts" / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_run_goes_on_from_points_all_over_it() -> None:
    assert "0 did not" in script("crash_points.py", "--points", "2")
