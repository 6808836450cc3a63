"""The way of a stranger with everything of their own, as the example goes it: to one table, and out again with the winner."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.results.encoders import read_card
from tests.datasets.builders import lerobot

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "bring_your_own.py"
SMOKE = 'preset="smoke"'  # of the run, not that of a component
IN_ONE_PROCESS = f'{SMOKE}, overrides=["machine.threads=1", "machine.cores=1", "machine.workers=0"]'


def test_each_part_is_as_long_as_it_says() -> None:
    said, counted = [], []
    for cell in EXAMPLE.read_text().split("# %%")[1:]:
        text = cell.removeprefix(" [markdown]")
        if text != cell:
            said += re.findall(r"\((\d+) lines?[):]", text)
        else:
            counted.append(sum(bool(line.strip()) for line in text.splitlines()))
    imports, *parts = counted
    assert [int(number) for number in said] == parts
    [in_readme] = re.findall(r"bring_your_own.py\), (\d+) lines", (ROOT / "README.md").read_text())
    assert int(in_readme) == sum(parts)
    assert imports <= 15


def test_everything_of_ones_own_in_one_table_and_the_winner_out_again(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    lerobot(tmp_path / "data")
    text = EXAMPLE.read_text()
    assert text.count(SMOKE) == 1
    (tmp_path / "script.py").write_text(text.replace(SMOKE, IN_ONE_PROCESS))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "script.py", "data"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    heading, *_, shape = done.stdout[done.stdout.index(" Method") :].strip().splitlines()
    assert re.search(r"pole /1 +mine \(recording\)", heading)
    for row in ("random (floor: not trained)", "timm:test_resnet@random", "file:my_encoder.safetensors", "guess"):
        [line] = re.findall(rf"^ {re.escape(row)} .*$", done.stdout, re.M)
        assert len(re.findall(r"-?\d\.\d\d \[", line)) == 2, "a score in both environments"
    size = {"random": 64, "guess": 64, "timm:test_resnet@random": 96, "file:my_encoder.safetensors": 64}
    card = read_card(tmp_path / "winner")
    assert shape == f"torch.Size([2, {size[card['row']]}])", "the lines that came back loaded it"
    assert card["scores"][0]["env"] == "pole"
