"""The steps of a cell. One module per kind: its `Params`, its `Summary`, and `run(context) -> Summary`."""

from __future__ import annotations

import importlib
from types import ModuleType


def module_of(kind: str) -> ModuleType:
    return importlib.import_module(f"benchmark.stages.{kind}")
