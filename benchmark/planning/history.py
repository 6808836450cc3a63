"""The requests that a store was given: `table` without flags shows the last one, `results gc` keeps what any of them needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import notice
from benchmark.core.typed import from_json, to_json
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store
from benchmark.storage.files import key_of, read_bytes, write_text


def remember(store: Store, request: Request) -> None:
    text = json.dumps(to_json(request), indent=1)
    write_text(store.root / "plans" / f"{key_of(to_json(request))}.json", text)
    write_text(store.root / "last.json", text)


def last(store: Store) -> Request | None:
    """The last one; where the note of it is damaged, the request that was written last."""
    path = store.root / "last.json"
    if not path.exists():
        return None
    try:
        return _read(path)
    except BenchmarkError as error:
        others = sorted((store.root / "plans").glob("*.json"), key=lambda other: other.stat().st_mtime_ns)
        if not others:
            raise
        notice(f"{error}; taking the last of {others[-1].parent}. The next run writes it again")
        return _read(others[-1])


def plan_begun(wanted: Request, store: Store) -> Plan:
    """The plan of a request of which something has been run."""
    plan = make_plan(wanted)
    if plan.stages and not any(store.has(stage.kind, key) or store.failure(key) for key, stage in plan.stages.items()):
        raise BenchmarkError(
            f"nothing of this plan has been run in {store.root.absolute()}. Name another store with --home or "
            f"BENCHMARK_HOME, or run it: {wanted.command()}"
        )
    return plan


def plans(store: Store) -> Iterator[Plan]:
    """What each of them needs today. One that cannot be planned any more is an error: nobody knows what it needs."""
    for path in sorted((store.root / "plans").glob("*.json")):
        request = _read(path, ": remove it if its results may go")
        try:
            yield make_plan(request)
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}. Requested in {path}: remove that file if its results may go") from error


def _read(path: Path, advice: str = "") -> Request:
    try:
        return from_json(Request, json.loads(read_bytes(path)))
    except (OSError, ValueError, RecursionError, BenchmarkError) as error:
        raise BenchmarkError(f"{path} is not a request that this version understands ({error}){advice}") from error
