"""The matrices asked of a store: `table` without flags shows the last one, `results gc` keeps what any of them needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from benchmark.planning.graph import Plan, Request, make_plan
from benchmark.storage.artifacts import Store, key_of, write_text


def remember(store: Store, request: Request) -> None:
    text = json.dumps(asdict(request), indent=1)
    write_text(store.root / "plans" / f"{key_of(asdict(request))}.json", text)
    write_text(store.root / "last.json", text)


def last(store: Store) -> Request | None:
    path = store.root / "last.json"
    return _read(path) if path.is_file() else None


def plans(store: Store) -> Iterator[Plan]:
    """What each of them needs today. One that cannot be planned any more is an error: nobody knows what it needs."""
    for path in sorted((store.root / "plans").glob("*.json")):
        request = _read(path, ": remove it if its results may go")
        try:
            yield make_plan(request)
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}. Asked for in {path}: remove that file if its results may go") from error


def _read(path: Path, advice: str = "") -> Request:
    try:
        return Request(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise BenchmarkError(f"{path} is not a matrix that this version understands ({error}){advice}") from error
