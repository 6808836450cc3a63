"""One planted fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`before`, which occurs once in `file`, becomes `after`; then `test` (of pytest, below tests/) has to fail."""

    name: str
    file: str
    before: str
    after: str
    test: str
