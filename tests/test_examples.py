"""What the examples register keeps the promises that it is an example of."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.conformance import check

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(params=[path.stem for path in EXAMPLES.glob("*.py")])
def components(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    pytest.importorskip("gymnasium")
    monkeypatch.syspath_prepend(str(EXAMPLES))  # of the processes of simulators, too
    kinds: list[Any] = [registry.methods(), registry.policies(), registry.envs()]
    importlib.import_module(request.param)
    added = [(kind, cls) for kind in kinds for cls in kind.added() if cls.__module__ == request.param]
    yield [cls for _, cls in added]
    for kind, cls in added:
        kind.remove(cls.name)
    del sys.modules[request.param]


def test_components_of_an_example_keep_every_promise(components: list[Any]) -> None:
    assert components
    for cls in components:
        broken = {result.promise: result.error for result in check(cls) if result.error}
        assert not broken, f"{cls.name}: {broken}"
