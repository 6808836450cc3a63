"""Three runners on one store, killed at random: as scripts/chaos.py does for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_killed_runners_and_workers_leave_the_records_of_an_undisturbed_run() -> None:
    """The script raises if a record differs, if an artifact was there in part or made twice, if anything is left."""
    command = [sys.executable, ROOT / "scripts" / "chaos.py", "--cells", "4", "--kills", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 cells survived 3 kills" in done.stdout
