"""What happens before the first stage: Python and its imports, and the plan. The floor of a start is that of Python alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

from benchmark.bench.case import Bench, Case
from benchmark.bench.measurement import Measurement
from benchmark.bench.scale import Scale
from benchmark.bench.text import milliseconds
from benchmark.core.provenance import ROOT
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request


def cases(scale: Scale) -> list[Case]:
    return [Case("plan/cells", _plan), Case("start", _starts)]


def _plan(bench: Bench, name: str) -> list[Measurement]:
    """Again and again in one process, which reads and hashes the code once."""
    request = Request(policies=("all",), preset=bench.scale.preset)
    cells = len(make_plan(request).cells)
    rate = bench.timer.rates({"plan": lambda: make_plan(request)})["plan"]
    return [
        bench.measured(
            name, "cells/s", rate, cells, detail=f"{milliseconds(rate.seconds)} for {cells} cells, in a warm process"
        )
    ]


def _starts(bench: Bench, name: str) -> list[Measurement]:
    cells = len(make_plan(Request(preset=bench.scale.preset)).cells)
    plan = ["-m", "benchmark", "plan", "--preset", bench.scale.preset, "--home", str(bench.folder / "empty")]
    commands = {
        "help": ["-m", "benchmark", "run", "--help"],
        "import": ["-c", "import benchmark.planning.recipes"],
        "plan": plan,
    }
    details = {"help": "run --help", "import": "all that a plan needs, torch included", "plan": f"plan of {cells} cells"}
    timer = replace(bench.timer, repetitions=bench.scale.starts)
    rates = timer.rates(
        {"python": _process(["-c", "pass"]), **{how: _process(words) for how, words in commands.items()}}, warm=False
    )
    python = rates["python"].seconds
    return [
        Measurement(
            f"{name}/{how}",
            "starts/s",
            rates[how].per_second,
            rates[how].spread,
            python,
            detail=f"{milliseconds(rates[how].seconds)}, {details[how]}",
        )
        for how in commands
    ]


def _process(words: list[str]) -> Callable[[], None]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, *words]

    def start() -> None:
        subprocess.run(command, env=environment, capture_output=True, check=True)

    return start
