"""The command that makes a row of a table again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.core.names import component_of
from benchmark.core.typed import from_json
from benchmark.planning.request import Request
from benchmark.planning.sweeps import split_sweeps
from benchmark.results.options import Column, RowId


def command(request: Mapping[str, Any], column: Column, row: RowId) -> str:
    """What to type for one row in one column: the request, without settings of components that are not part of it, and without
    lists of values, of which the row's own stands in its name."""
    wanted = from_json(Request, dict(request))
    named = {"method": row.method, "policy": column.policy, "env": component_of(column.env)}
    return replace(
        wanted,
        methods=[str(row)],
        envs=[column.env],
        policies=[column.policy],
        preset_settings=_concerning(wanted.preset_settings, named),
        overrides=_concerning(wanted.overrides, named),
    ).command()


def _concerning(settings: Sequence[str], named: Mapping[str, str]) -> list[str]:
    single, _ = split_sweeps(settings)
    return [text for text in single if _concerns(text, named)]


def _concerns(override: str, named: Mapping[str, str]) -> bool:
    group, _, rest = override.partition("=")[0].partition(".")
    return group not in named or rest.partition(".")[0] == named[group]
