"""In which order the cells of a plan are run, so that a reader learns most from the first minutes.

Cells that are stored come first, because they cost nothing. Then one training seed after the other, and under each of them the
ceiling and the floor (without them no other number can be read), then encoders that nothing here has to train, then the rest.
Within these, policies without training come first, then what takes least until its number exists. The rows of a table have
another order, that of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
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

    def remaining(cell: RunCell) -> float:
        """Seconds until its number exists, once all that stands before it has run."""
        return sum(estimates[key].seconds for key in cell.stages.values() if key in estimates and key not in done)

    order: list[RunCell] = []
    done: set[str] = set()
    for _, alike in groupby(sorted((cell for cell in plan.cells if not cell.refused), key=urgency), urgency):
        waiting = list(alike)
        while waiting:
            cheapest = min(waiting, key=remaining)  # the first of several
            waiting.remove(cheapest)
            done.update(cheapest.stages.values())
            order.append(cheapest)
    return order


def _trains_an_encoder(cell: RunCell, plan: Plan) -> bool:
    """Before its policy or with it."""
    return bool(plan.stages[cell.stages["pretrain"]].params.learning or plan.stages[cell.stages["fit"]].params.joint)
