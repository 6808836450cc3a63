"""The command that makes a row of a table again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.core.typed import from_json
from benchmark.planning.request import Request
from benchmark.planning.sweeps import split_sweeps
from benchmark.results.options import Column, RowId


def command(request: Mapping[str, Any], column: Column, row: RowId) -> str:
    """What to type for one row in one column: the request, without settings of components that are not part of it, and without
    lists of values, of which the row's own stands in its name."""
    whole = from_json(Request, dict(request))
    one = replace(whole, methods=[str(row)], envs=[column.env], policies=[column.policy])

    def of_one(settings: Sequence[str]) -> Sequence[str]:
        return one.concerned(split_sweeps(settings)[0])

    return replace(one, preset_settings=of_one(whole.preset_settings), overrides=of_one(whole.overrides)).command()
