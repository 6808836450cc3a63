"""A training step of released code, from a checkout of it, to take turns with ours.

How the release of a method is driven stands in scripts/released_METHOD.py of this repository, which the comparison of losses
uses as well. What is needed of it: `load_release(checkout)`, and `Released(release, config, steps, device, dtype)` with
`prepare(frames)` and `step(batch, number)`.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmark.bench.steps import STEPS
from benchmark.contracts.data import Windows
from benchmark.core.errors import BenchmarkError
from benchmark.core.provenance import ROOT

SCRIPTS = ROOT / "scripts"


def scripts() -> dict[str, Path]:
    """Method -> the script that drives its release."""
    return {path.stem.removeprefix("released_"): path for path in sorted(SCRIPTS.glob("released_*.py"))}


def check(checkout: Path) -> None:
    """A checkout that cannot be used stops the run before anything is measured."""
    if not scripts():
        raise BenchmarkError(f"--reference needs scripts/released_*.py of a checkout of this repository; {SCRIPTS} has none")
    for path in scripts().values():
        _load(path).load_release(checkout)


def released_step(method: str, checkout: Path, config: Any, batch: Windows, device: str) -> Callable[[], object]:
    """A step in float32, as released, on the same frames each time; that they become floats, and its loader, are not timed."""
    script = _load(scripts()[method])
    torch.manual_seed(0)
    released = script.Released(script.load_release(checkout), config, STEPS, device, torch.float32)
    batch.frames = released.prepare(batch.frames)
    numbers = itertools.count()
    return lambda: released.step(batch, next(numbers))


def _load(path: Path) -> ModuleType:
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)  # first: dataclasses look their types up there
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]
