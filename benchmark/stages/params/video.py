"""Of videos of evaluation episodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    episodes: int  # the first so many


@dataclass(frozen=True)
class Summary:
    files: dict[str, int]  # name of the file -> episode
