"""Options that know which of them a table has looked at, so that one which it has no use for is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.results.options import Options


@dataclass(frozen=True, eq=False)  # a comparison would look at all
class NotedOptions(Options):
    def __getattribute__(self, name: str) -> Any:
        object.__getattribute__(self, "__dict__").setdefault("read", set()).add(name)
        return object.__getattribute__(self, name)


def noted(options: Options) -> set[str]:
    return vars(options)["read"]
