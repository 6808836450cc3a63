"""Show what would run: cells, stages they share, what is cached, time, disk and memory.

What this machine cannot run is listed with the reason; the sums are of what it can.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from benchmark.cli import flags

if TYPE_CHECKING:
    from benchmark.planning.estimates import Estimate


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_matrix(parser)
    flags.add_format(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.cli import forecast
    from benchmark.cli.printing import counted, fitting
    from benchmark.cli.selection import request
    from benchmark.core.progress import duration
    from benchmark.planning.estimates import estimate
    from benchmark.planning.recipes import make_plan
    from benchmark.storage.artifacts import KINDS, Store

    plan = make_plan(request(options))
    store = Store(options.home)
    estimates = estimate(plan.stages, store)
    cached = plan.stages.keys() - estimates.keys()
    missing = forecast.unavailable(plan, store)
    here = forecast.without(plan, missing)
    if options.format == "json":
        stages = [{**stage.to_json(), "cached": key in cached} for key, stage in plan.stages.items()]
        costs = {"estimate": asdict(forecast.total(here, estimates)), "hours": asdict(forecast.hours(here, estimates))}
        print(json.dumps({**plan.to_json(), "stages": stages, **costs}, indent=1))
        return 0
    feeds = Counter(key for cell in plan.cells for key in cell.stages.values())
    for kind in KINDS:
        of_kind = [stage for stage in plan.stages.values() if stage.kind == kind]
        if of_kind:
            print(f"{kind}: {len(of_kind)} ({sum(stage.key in cached for stage in of_kind)} cached)")
        for stage in of_kind:
            users = feeds[stage.key]
            cost = "cached" if stage.key in cached else _cost(estimates[stage.key])
            print(fitting(f"  {stage.key[:10]}  ", stage.label, f" {cost}, feeds {counted(users, 'cell')}"))
    for note in plan.notes:
        print(note)
    for row, reason in forecast.by_row(missing).items():
        print(f"missing: {row}: {reason}")
    print(forecast.summary(here, estimates))
    hours = forecast.hours(here, estimates)
    gpus = f", {hours.gpus:.2g} GPU-hours" * bool(hours.gpus)
    print(f"{hours.cores:.2g} core-hours{gpus}; side by side on this machine at best {duration(3600 * hours.at_best)}")
    too_much = (forecast.lack_of_disk(here, estimates, store), forecast.lack_of_memory(here, estimates))
    for remark in filter(None, (*too_much, forecast.guesses(here, estimates))):
        print(remark)
    return 0


def _cost(estimate: Estimate) -> str:
    from benchmark.core.progress import duration, size

    return f"about {duration(estimate.seconds)}, {size(estimate.memory)} of memory"
