"""Dataclasses through JSON and back: the same values, and no field that is silently ignored."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json, to_json


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...]
    share: float | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    pairs: tuple[tuple[str, float], ...] = ()
    maybe: Inner | None = None
    files: dict[str, str] = field(default_factory=dict)


WHOLE = Outer("a", Inner((1, 2), 0.5), (("x.*", 0.1), ("*", 0.0)), Inner(()), {"weights.pt": "sha256:0"})


@pytest.mark.parametrize("value", [WHOLE, Outer("b", Inner((), None))])
def test_what_was_written_is_read(value: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(value)))) == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nmae": "a"}, "Outer has no field nmae"),
        ({"inner": {"sizes": [], "shares": 1}}, "Inner has no field shares"),
        ({"inner": {}}, "Inner lacks sizes"),
        ({"inner": 3}, "Inner is an object, not 3"),
        ({"name": 3}, r"Outer.name is 3, not str"),
        ({"name": None}, r"Outer.name is None, not str"),
        ({"inner": {"sizes": 4}}, r"Inner.sizes is 4, not a list"),
        ({"inner": {"sizes": [1.5]}}, r"Inner.sizes is 1.5, not int"),
        ({"inner": {"sizes": [True]}}, r"Inner.sizes is True, not int"),
        ({"inner": {"sizes": [], "share": "half"}}, r"Inner.share is 'half', not float"),
        ({"pairs": [["x", 1, 2]]}, r"Outer.pairs is \['x', 1, 2\], not 2 values"),
        ({"files": ["weights.pt"]}, r"Outer.files is \['weights.pt'\], not an object"),
        ({"files": {"a": "0" * 99, "b": 7}}, r"Outer.files is 7, not str"),
    ],
)
def test_a_field_that_is_unknown_absent_or_of_another_type_is_named(change: dict, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        from_json(Outer, {**to_json(WHOLE), **change})
