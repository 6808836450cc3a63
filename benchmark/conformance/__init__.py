"""The promises of the contracts, as checks that any component can be put through.

`python -m benchmark check NAME` runs them on one component, the test suite on all of them. Everything here is small and runs on
a CPU in seconds; it says that a component keeps its word, not that it is any good.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.conformance import environments, methods, policies
from benchmark.contracts.environment import Dataset, Simulator
from benchmark.contracts.method import Method
from benchmark.contracts.policy import Policy

PROMISES: dict[type, tuple] = {
    Method: methods.PROMISES,
    Policy: policies.PROMISES,
    Dataset: environments.DATASET_PROMISES,
    Simulator: environments.SIMULATOR_PROMISES,
}


@dataclass(frozen=True)
class Result:
    promise: str
    error: str | None


def promises_of(cls: type) -> tuple:
    return next(promises for base, promises in PROMISES.items() if issubclass(cls, base))


def check(cls: type, config: Any = None) -> Iterator[Result]:
    """Every promise of one component, kept or not, under a config: that of the preset `smoke` unless given."""
    for promise in promises_of(cls):
        error = None
        try:
            promise(cls, config)
        except AssertionError as problem:
            error = str(problem)
        except Exception as problem:
            error = f"{type(problem).__name__}: {problem}{_where(cls, problem)}"
        yield Result((promise.__doc__ or "").strip().rstrip("."), error)


def _where(cls: type, problem: Exception) -> str:
    """The last line of the component's own file that led there; of ours, if it did not."""
    frames = traceback.extract_tb(problem.__traceback__)
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    own = [frame for frame in frames if file and Path(frame.filename) == Path(file)]
    last = (own or frames)[-1]
    return f" (in {last.name}, {Path(last.filename).name}:{last.lineno})"
