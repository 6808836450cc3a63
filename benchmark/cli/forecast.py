"""What a plan will cost, and which of its rows cannot run here: for `plan`, and for `run` before it starts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from benchmark.cli.printing import counted
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter, duration, size
from benchmark.launch.availability import unavailable_cells, unavailable_stages
from benchmark.launch.choose import this_machine
from benchmark.planning.estimates import Estimate, estimate
from benchmark.planning.graph import CellId, Plan
from benchmark.planning.resources import GB, Resources
from benchmark.storage.artifacts import Store
from benchmark.storage.files import free_disk


def announce(plan: Plan, store: Store, reporter: Reporter, *, here: bool = True) -> dict[str, Estimate]:
    """Say what will happen and return what it may cost, or stop here if the disk cannot hold it.

    `here`: on this machine, so that rows which it cannot run cost nothing.
    """
    estimates = estimate(plan.stages, store)
    for note in plan.notes:
        reporter.warn(note)
    missing = unavailable(plan, store)
    for row, reason in by_row(missing).items():
        reporter.warn(f"{row} cannot run here: {reason}")
    counted = without(plan, missing) if here else plan
    reporter.say(f"{summary(counted, estimates)} ({size(free_disk(store.root))} free)")
    if full := lack_of_disk(counted, estimates, store):
        raise BenchmarkError(full)
    if here and (large := lack_of_memory(counted, estimates)):
        reporter.warn(large)
    return estimates


def lack_of_disk(plan: Plan, estimates: dict[str, Estimate], store: Store) -> str | None:
    needed, free = total(plan, estimates).bytes, free_disk(store.root)
    return f"the plan needs about {size(needed)} of disk and {store.root} has {size(free)} free" if needed > free else None


def lack_of_memory(plan: Plan, estimates: dict[str, Estimate]) -> str | None:
    """Of the stage that needs most. An estimate refuses nothing: the stage is tried, alone on its machine."""
    costs = {key: estimates[key].memory for key in plan.stages if key in estimates}
    needed, there = max(costs.values(), default=0.0), this_machine(next(iter(plan.configs.values())).machine).memory * GB
    if needed <= there:
        return None
    largest = max(costs, key=lambda key: costs[key])
    return (
        f"{plan.stages[largest].label} needs about {size(needed)} of memory and may have {size(there)}: it can be killed for it"
    )


def unavailable(plan: Plan, store: Store) -> dict[CellId, str]:
    """Which cells cannot run here, and why."""
    return unavailable_cells(plan, unavailable_stages(plan, store), store)


def by_row(reasons: dict[CellId, str]) -> dict[str, str]:
    """Once for all seeds and policies of a row."""
    return {f"{cell.row} on {cell.env}": reason for cell, reason in reasons.items()}


def without(plan: Plan, missing: Collection[CellId]) -> Plan:
    """The other cells and the stages that they need."""
    cells = [cell for cell in plan.cells if cell.id not in missing]
    needed, waiting = set[str](), [key for cell in cells for key in cell.stages.values()]
    while waiting:
        if (key := waiting.pop()) not in needed:
            needed.add(key)
            waiting += [ref.key for ref in plan.stages[key].inputs.values()]
    return replace(plan, cells=cells, stages={key: stage for key, stage in plan.stages.items() if key in needed})


def total(plan: Plan, estimates: dict[str, Estimate]) -> Estimate:
    """Seconds and disk add up; stages that run one after another need the memory of the largest."""
    costs = [estimate for key, estimate in estimates.items() if key in plan.stages]
    guessed = tuple(sorted({kind for estimate in costs for kind in estimate.guessed}))
    memory = max((estimate.memory for estimate in costs), default=0.0)
    return Estimate(sum(e.seconds for e in costs), sum(e.bytes for e in costs), memory, guessed)


def summary(plan: Plan, estimates: dict[str, Estimate]) -> str:
    costs, todo = total(plan, estimates), len(plan.stages.keys() & estimates.keys())
    needs = f"about {duration(costs.seconds)}, {size(costs.bytes)} of disk, {size(costs.memory)} of memory"
    return f"{counted(len(plan.cells), 'cell')}, {todo} of {counted(len(plan.stages), 'stage')} to do: {needs}"


def guesses(plan: Plan, estimates: dict[str, Estimate]) -> str | None:
    """Which of the times are no measurements, if any are."""
    if not (kinds := total(plan, estimates).guessed):
        return None
    return f"guessed, whatever the size of networks: no stage of {', '.join(kinds)} has been run in this store"


@dataclass(frozen=True)
class Hours:
    """What stages take of this machine, with the cores and shares of a GPU that each would get."""

    cores: float
    gpus: float
    at_best: float  # hours until all are done, if nothing ever waits


def hours(plan: Plan, estimates: dict[str, Estimate]) -> Hours:
    machine = this_machine(next(iter(plan.configs.values())).machine)
    resources = Resources(plan, estimates, machine)
    needs = [(resources.of(stage), estimates[key].seconds / 3600) for key, stage in plan.stages.items() if key in estimates]
    cores, gpus = sum(n.cores * time for n, time in needs), sum(n.gpu * time for n, time in needs)
    return Hours(cores, gpus, max(cores / machine.cores, gpus / (machine.gpus or 1)))
