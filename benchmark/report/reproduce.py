"""The command that makes a row of a table again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from benchmark.results.options import Column, RowId


def command(request: Mapping[str, Any], column: Column, row: RowId) -> str:
    """What to type for one row in one column: the request, without settings of components that are not part of it."""
    named = {"method": row.method, "policy": column.policy, "env": column.env}
    overrides = [text for text in request["overrides"] if _concerns(text, named)]
    return shlex.join(
        [
            *("python", "-m", "benchmark", "run"),
            *("--methods", str(row), "--envs", column.env, "--policies", column.policy),
            *("--seeds", str(request["seeds"]), *_first(request.get("first_seed", 0)), "--preset", request["preset"]),
            *overrides,
        ]
    )


def _first(seed: int) -> list[str]:
    return ["--first-seed", str(seed)] if seed else []


def _concerns(override: str, named: Mapping[str, str]) -> bool:
    group, _, rest = override.partition("=")[0].partition(".")
    return group not in named or rest.partition(".")[0] == named[group]
