"""In which order the cells of a plan are run, so that a reader learns most from the first minutes.

Cells that are stored come first, because they cost nothing. Then one training seed after the other, and under each of them the
ceiling and the floor (without them no other number can be read), then encoders that nothing here has to train, then the rest.
Within these, policies without training come first, then what takes least until its number exists. The rows of a table have
another order, that of the request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import groupby

from benchmark import registry
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import Plan, RunCell

STORED = (-1,)


def execution_order(plan: Plan, estimates: Mapping[str, Estimate]) -> list[RunCell]:
    """Every cell that has stages. `estimates` are of the stages that are still to do."""

    def urgency(cell: RunCell) -> tuple[int, ...]:
        if estimates.keys().isdisjoint(cell.stages.values()):
            return STORED
        method, policy = registry.methods().get(cell.id.method), registry.policies().get(cell.id.policy)
        bound = method.privileged or (method.floor and not cell.id.variant)
        trained = 0 if bound else 2 if _trains_an_encoder(cell, plan) else 1
        return (cell.id.seed, trained, policy.learns, not method.privileged)

    seconds = {key: estimate.seconds for key, estimate in estimates.items()}  # of what no cell before has left behind
    cells = sorted((cell for cell in plan.cells if not cell.refused), key=urgency)
    return [cell for _, alike in groupby(cells, urgency) for cell in _cheapest_first(list(alike), seconds)]


def _cheapest_first(cells: Sequence[RunCell], seconds: dict[str, float]) -> Iterator[RunCell]:
    """Each time the cell whose stages take least of what is left to do, the first of several. What it runs is done for all
    that share it and leaves `seconds`; only these are looked at again, so that a plan of 20 000 cells takes seconds."""

    def entry(number: int) -> tuple[float, int]:
        return sum(seconds.get(key, 0.0) for key in cells[number].stages.values()), number

    sharing: dict[str, list[int]] = defaultdict(list)
    for number, cell in enumerate(cells):
        for key in cell.stages.values():
            sharing[key].append(number)
    queue = [entry(number) for number in range(len(cells))]
    heapify(queue)
    placed: set[int] = set()
    while queue:
        _, number = heappop(queue)
        if number in placed:
            continue  # a dearer entry of a cell that has become cheaper since
        placed.add(number)
        yield cells[number]
        ran = [key for key in cells[number].stages.values() if seconds.pop(key, None) is not None]
        for other in {other for key in ran for other in sharing[key]} - placed:
            heappush(queue, entry(other))


def _trains_an_encoder(cell: RunCell, plan: Plan) -> bool:
    """Before its policy or with it."""
    return bool(plan.stages[cell.stages["pretrain"]].params.learning or plan.stages[cell.stages["fit"]].params.joint)
