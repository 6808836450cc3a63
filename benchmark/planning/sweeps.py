"""Value lists of a method's settings: `method.dynamo.lr=1e-4,3e-4` makes two rows, `dynamo:lr=1e-4` and `dynamo:lr=3e-4`.

Lists are in Hydra's grammar, so `choice(8,16)` and `range(1,4)` are lists as well. Of other settings than a method's there are
no lists: they hold for the whole table, and two tables are two runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import joined_variant

Row = tuple[str, str]  # method, variant


def split_sweeps(overrides: Sequence[str]) -> tuple[list[str], dict[str, dict[str, list[str]]]]:
    """The overrides with one value each; and method -> field -> the values of those with several."""
    single: list[str] = []
    sweeps: dict[str, dict[str, list[str]]] = {}
    for text in overrides:
        values = _values(text)
        if values is None:
            single.append(text)
            continue
        key = text.split("=", 1)[0]
        parts = key.split(".")
        if len(parts) != 3 or parts[0] != "method":
            raise BenchmarkError(
                f"{text}: a list of values makes rows, so it has to be of a method's setting, method.NAME.SETTING; "
                f"run once for each value of {key}"
            )
        sweeps.setdefault(parts[1], {})[parts[2]] = values
    return single, sweeps


def _values(text: str) -> list[str] | None:
    """Several values as they are written, or None for one. What is no override at all is said by whoever composes it."""
    try:
        override = OverridesParser.create().parse_override(text)
        if not override.is_sweep_override():
            return None
        sweep: Any = override.value()
        plainly = isinstance(sweep, ChoiceSweep) and sweep.simple_form
        return _split(text.split("=", 1)[1]) if plainly else list(override.sweep_string_iterator())
    except (HydraException, ValueError):
        return None


def _split(text: str) -> list[str]:
    """At commas that are in no bracket or quote. Hydra's own list has 0.0001 for 1e-4, and a row is named as it was typed."""
    return [part.strip() for part in re.findall(r"(?:\[[^\]]*\]|'[^']*'|\"[^\"]*\"|[^,])+", text)]


def with_sweeps(rows: Sequence[Row], sweeps: dict[str, dict[str, list[str]]]) -> list[Row]:
    """Each row of a method with value lists becomes one row per combination of values."""
    if absent := set(sweeps) - {method for method, _ in rows}:
        raise UnknownName("method of a value list", min(absent), {method for method, _ in rows})
    made: list[Row] = []
    for method, variant in rows:
        lists = [[f"{field}={value}" for value in values] for field, values in sweeps.get(method, {}).items()]
        made += [(method, joined_variant([variant, *chosen])) for chosen in product(*lists)]
    return list(dict.fromkeys(made))
