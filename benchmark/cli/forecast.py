"""What a plan will cost, and which of its rows cannot run here: for `plan`, and for `run` before it starts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter, duration, size
from benchmark.launch.availability import unavailable_cells, unavailable_stages
from benchmark.launch.choose import this_machine
from benchmark.planning.estimates import Estimate, estimate
from benchmark.planning.graph import Plan
from benchmark.planning.resources import Resources
from benchmark.storage.artifacts import Store


def announce(plan: Plan, store: Store, reporter: Reporter) -> dict[str, Estimate]:
    """Say what will happen and return what it may cost, or stop here if the disk cannot hold it."""
    estimates = estimate(plan.stages, store)
    needed = total(estimates).bytes
    free = shutil.disk_usage(store.root).free
    for note in plan.notes:
        reporter.warn(note)
    for (method, env), reason in unavailable(plan, store).items():
        reporter.warn(f"{method} on {env} cannot run here: {reason}")
    reporter.say(f"{summary(plan, estimates)} ({size(free)} free)")
    if needed > free:
        raise BenchmarkError(f"the plan needs about {size(needed)} of disk and {store.root} has {size(free)} free")
    return estimates


def unavailable(plan: Plan, store: Store) -> dict[tuple[str, str], str]:
    """Why rows cannot run here, once for all their seeds and policies."""
    reasons = unavailable_cells(plan, unavailable_stages(plan, store), store)
    return {(cell.row, cell.env): reason for cell, reason in reasons.items()}


def total(estimates: dict[str, Estimate]) -> Estimate:
    """Seconds and disk add up; stages that run one after another need the memory of the largest."""
    costs = estimates.values()
    return Estimate(sum(e.seconds for e in costs), sum(e.bytes for e in costs), max((e.memory for e in costs), default=0.0))


def summary(plan: Plan, estimates: dict[str, Estimate]) -> str:
    costs, todo = total(estimates), f"{len(estimates)} of {len(plan.stages)} stages to do"
    needs = f"about {duration(costs.seconds)}, {size(costs.bytes)} of disk, {size(costs.memory)} of memory"
    return f"{len(plan.cells)} cells, {todo}: {needs}"


@dataclass(frozen=True)
class Hours:
    """What stages take of this machine, with the cores and shares of a GPU that each would get."""

    cores: float
    gpus: float
    at_best: float  # hours until all are done, if nothing ever waits


def hours(plan: Plan, estimates: dict[str, Estimate]) -> Hours:
    machine = this_machine(next(iter(plan.configs.values())).machine)
    resources = Resources(plan, estimates, machine)
    needs = [(resources.of(plan.stages[key]), estimate.seconds / 3600) for key, estimate in estimates.items()]
    cores, gpus = sum(n.cores * time for n, time in needs), sum(n.gpu * time for n, time in needs)
    return Hours(cores, gpus, max(cores / machine.cores, gpus / (machine.gpus or 1)))
