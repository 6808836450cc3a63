"""What a measurement is given, and what it is: a name and a function that gives its lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.bench.floor import Ceilings, Cost
from benchmark.bench.measurement import Measurement
from benchmark.bench.scale import Scale
from benchmark.bench.timing import Rate, Timer
from benchmark.core.errors import Unavailable


@dataclass(frozen=True)
class Bench:
    """The machine, the sizes and the clock of a run."""

    scale: Scale
    device: str
    precision: str  # of pretraining and of encoders; policies have their own
    timer: Timer
    folder: Path  # for files that are written and thrown away
    ceilings: Ceilings
    released: Path | None = None  # a checkout of the released code to compare with
    compiled: bool = False  # measure steps by torch.compile as well, a minute or two for each

    def measured(
        self,
        name: str,
        unit: str,
        rate: Rate,
        units: float,
        cost: Cost | None = None,
        precision: str = "fp32",
        detail: str = "",
        reference: Rate | None = None,
    ) -> Measurement:
        """A line of calls of `units` units each. `cost` is that of a call."""
        floor = None if cost is None else self.ceilings.seconds(cost, precision) / units
        theirs = None if reference is None else reference.per_second * units
        return Measurement(name, unit, rate.per_second * units, rate.spread, floor, theirs, detail)


Measure = Callable[[Bench, str], list[Measurement]]


@dataclass(frozen=True)
class Case:
    """`measure(bench, name)` gives its lines, whose names begin with that of the case. It raises `Unavailable` where something
    is not on this machine."""

    name: str
    measure: Measure


def need_cuda(device: str) -> None:
    if device != "cuda":
        raise Unavailable("there is no CUDA device here")


def lines(bench: Bench, case: Case) -> list[Measurement]:
    """What came of a case; an error is a line, too, and the next case goes on."""
    try:
        return case.measure(bench, case.name)
    except Unavailable as error:
        return [Measurement(case.name, reason=str(error))]
    except Exception as error:
        return [Measurement(case.name, reason=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", failed=True)]
