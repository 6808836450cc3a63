"""What the store adds to a stage: publishing an artifact, and opening one that another process made."""

from __future__ import annotations

import itertools
import os

from benchmark.bench.case import Bench, Case
from benchmark.bench.measurement import Measurement
from benchmark.bench.scale import Scale
from benchmark.bench.text import milliseconds
from benchmark.bench.timing import Rate
from benchmark.core.progress import size
from benchmark.storage.artifacts import Store

FILES, KIND = 4, "embed"  # files of an artifact; any kind will do


def cases(scale: Scale) -> list[Case]:
    return [Case("store", _measure)]


def _measure(bench: Bench, name: str) -> list[Measurement]:
    store = Store(bench.folder / "store").prepare()
    content, numbers = os.urandom(bench.scale.artifact // FILES), itertools.count()

    def publish() -> str:
        key = f"{next(numbers):020d}"
        with store.claims.hold(KIND, key, lambda: None), store.building(KIND, key) as building:
            for file in range(FILES):
                (building.out / f"{file}.bin").write_bytes(content)
            store.commit(KIND, key, building, {})
        return key

    key = publish()

    def verify() -> None:
        Store(store.root).open(KIND, key)  # a store that has not seen it

    rates = bench.timer.rates({"publish": publish, "verify": verify})
    n_bytes = FILES * len(content)
    disk = {"publish": bench.ceilings.write, "verify": bench.ceilings.read}

    def line(how: str, rate: Rate) -> Measurement:
        detail = f"{milliseconds(rate.seconds)} for {FILES} files, {size(n_bytes)}"
        return Measurement(f"{name}/{how}", "artifacts/s", rate.per_second, rate.spread, n_bytes / disk[how], detail=detail)

    return [line(how, rate) for how, rate in rates.items()]
