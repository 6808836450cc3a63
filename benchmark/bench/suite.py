"""All measurements by name, and a run of those that are wanted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmark.bench import embedding, heads, planning, pretraining, released, rollouts, samplers, store
from benchmark.bench.case import Bench, Case, lines
from benchmark.bench.ceilings import measure_ceilings
from benchmark.bench.measurement import Measurement, Report
from benchmark.bench.scale import Scale
from benchmark.bench.timing import Others, Timer
from benchmark.core.errors import UnknownName
from benchmark.core.machine import resolve_precision
from benchmark.core.provenance import provenance

GROUPS = (pretraining, embedding, heads, samplers, rollouts, store, planning)


def all_cases(scale: Scale) -> list[Case]:
    return [case for group in GROUPS for case in group.cases(scale)]


def chosen(cases: Sequence[Case], only: Sequence[str]) -> list[Case]:
    """Those that a word names, whole (`fit/mlp`) or up to a slash or an @ (`fit`, `pretrain/dynamo`); without words, all.
    `ceiling` adds none: ceilings are measured in any case."""
    for word in only:
        if word != "ceiling" and not any(_names(word, case) for case in cases):
            known = {case.name for case in cases} | {case.name.split("/")[0] for case in cases} | {"ceiling"}
            raise UnknownName("measurement", word, known)
    return [case for case in cases if not only or any(_names(word, case) for word in only)]


def _names(word: str, case: Case) -> bool:
    return case.name == word or case.name.startswith((f"{word}/", f"{word}@"))


def run_bench(
    command: str,
    scale: Scale,
    device: str,
    disk: Path,
    only: Sequence[str] = (),
    checkout: Path | None = None,
    compiled: bool = False,
    show: Callable[[Measurement], None] = lambda measurement: None,
) -> Report:
    """Ceilings first, then the chosen cases; `show` hears of each line as it comes. Files are written in a folder on `disk`."""
    cases = chosen(all_cases(scale), only)
    if checkout is not None:
        released.check(checkout, {case.name.split("/")[-1].split("@")[0] for case in cases})
    others = Others()
    timer = Timer(scale.seconds, scale.repetitions, torch.cuda.synchronize if device == "cuda" else lambda: None)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=disk) as folder:
        ceilings, measurements = measure_ceilings(scale, device, timer, Path(folder))
        for measurement in measurements:
            show(measurement)
        bench = Bench(scale, device, resolve_precision("auto", device), timer, Path(folder), ceilings, checkout, compiled)
        for case in cases:
            for measurement in lines(bench, case):
                measurements.append(measurement)
                show(measurement)
            if device == "cuda":
                torch.cuda.empty_cache()
    return Report(command, datetime.now(UTC).isoformat(timespec="seconds"), provenance(), tuple(measurements), others.share)
