"""In which order cells run: nothing runs here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import Plan, RunCell, Stage
from benchmark.planning.order import execution_order
from benchmark.planning.recipes import make_plan
from benchmark.planning.remaining import TimeLeft
from benchmark.planning.request import Request

REQUEST = Request(["byol", "random:finetuned", "imagenet", "random", "dynamo", "state"], ["toy"], ["mlp", "knn"], 2, "smoke")


@pytest.fixture
def plan(toy: type) -> Plan:
    return make_plan(REQUEST)


def estimates(plan: Plan, seconds: Callable[[Stage], float] = lambda stage: 1.0) -> dict[str, Estimate]:
    return {key: Estimate(seconds(stage), 0) for key, stage in plan.stages.items()}


def names(cells: list[RunCell]) -> list[str]:
    return [f"{cell.id.row} {cell.id.policy}" for cell in cells]


def test_bounds_then_untrained_then_trained_encoders_and_policies_without_training_first(plan: Plan) -> None:
    first = [cell for cell in execution_order(plan, estimates(plan)) if cell.id.seed == 0]
    assert names(first) == [
        *("state knn", "random knn", "state mlp", "random mlp", "imagenet knn", "imagenet mlp"),
        *("byol knn", "dynamo knn", "byol mlp", "random:finetuned mlp", "dynamo mlp"),
    ]


def test_one_seed_of_all_rows_comes_before_the_next(plan: Plan) -> None:
    seeds = [cell.id.seed for cell in execution_order(plan, estimates(plan))]
    assert seeds == sorted(seeds)
    assert set(seeds) == {0, 1}


def test_what_costs_least_comes_first_and_the_request_decides_between_equals(plan: Plan) -> None:
    def seconds(stage: Stage) -> float:
        return 9.0 if stage.kind == "pretrain" and "byol" in stage.label else 1.0

    order = names(execution_order(plan, estimates(plan, seconds)))
    assert order.index("dynamo knn") < order.index("byol knn")
    order = names(execution_order(plan, estimates(plan)))
    assert order.index("byol knn") < order.index("dynamo knn")


def test_a_stage_that_an_earlier_cell_leaves_costs_a_later_one_nothing(toy: type) -> None:
    """Under a second policy the encoder of the first exists: only the policy is left."""
    plan = make_plan(Request(["byol", "dynamo"], ["toy"], ["mlp", "vqbet"], 1, "smoke"))
    order = names(execution_order(plan, estimates(plan, lambda stage: 9.0 if stage.kind == "pretrain" else 1.0)))
    assert order == ["byol mlp", "byol vqbet", "dynamo mlp", "dynamo vqbet"]


def test_what_is_stored_comes_first_and_what_is_refused_not_at_all(plan: Plan) -> None:
    last = next(cell for cell in plan.cells if cell.id.method == "dynamo" and cell.id.seed == 1)
    left = {key: value for key, value in estimates(plan).items() if key not in last.stages.values()}
    order = execution_order(plan, left)
    assert order[0] is last
    assert len(order) == len(plan.cells) - 2  # neighbours train no encoder


def test_the_rows_of_the_table_keep_the_order_of_the_request(plan: Plan) -> None:
    execution_order(plan, estimates(plan))
    assert list(dict.fromkeys(cell.id.row for cell in plan.cells)) == list(REQUEST.methods)


def test_what_is_left_is_corrected_by_what_stages_of_the_kind_have_taken(plan: Plan) -> None:
    left = TimeLeft(estimates(plan, lambda stage: 0.0 if stage.label.startswith("fit knn") else 10.0))
    pretrained = [stage for stage in plan.stages.values() if stage.kind == "pretrain"]
    fitted = [stage for stage in plan.stages.values() if stage.kind == "fit"]
    assert left.of(pretrained[:2]) == 20.0
    left.measured(pretrained[0], 30.0)
    assert left.of(pretrained[1:3]) == 60.0
    left.measured(next(stage for stage in fitted if stage.label.startswith("fit knn")), 5.0)
    assert left.of([stage for stage in fitted if stage.label.startswith("fit mlp")][:1]) == 10.0
