"""Value lists and settings in the name of a row."""

from __future__ import annotations

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.core.names import parse_row, row_label
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request


def plan(*overrides: str, methods: tuple[str, ...] = ("random", "byol")) -> Plan:
    return make_plan(Request(methods=methods, envs=("toy",), policies=("mlp",), preset="smoke", overrides=overrides))


def rows(plan: Plan) -> list[str]:
    return [cell.id.row for cell in plan.cells]


def learning_rate(plan: Plan, row: str) -> float:
    [cell] = [cell for cell in plan.cells if cell.id.row == row]
    return plan.stages[cell.stages["pretrain"]].params.config["lr"]


def test_a_value_list_makes_a_row_of_each_value(toy: type) -> None:
    made = plan("method.byol.lr=1e-4,3e-4", "fit.steps=7")
    assert rows(made) == ["random", "byol:lr=1e-4", "byol:lr=3e-4"]
    assert (learning_rate(made, "byol:lr=1e-4"), learning_rate(made, "byol:lr=3e-4")) == (1e-4, 3e-4)
    assert all(stage.params.budget.steps == 7 for stage in made.stages.values() if stage.kind == "fit")


def test_two_lists_are_combined_and_join_a_named_variant(toy: type) -> None:
    made = plan("method.byol.lr=1e-4,3e-4", "method.byol.width=8,16", methods=("byol:equal_steps",))
    assert rows(made) == [f"byol:equal_steps+lr={lr}+width={width}" for lr in ("1e-4", "3e-4") for width in ("8", "16")]
    [first] = [s.params.config for s in made.stages.values() if s.kind == "pretrain" and "1e-4+width=8" in s.label]
    assert (first["equal_steps"], first["width"], first["lr"]) == (True, 8, 1e-4)


def test_a_row_may_name_its_settings_itself(toy: type) -> None:
    made = plan(methods=("byol:lr=1e-4", "byol:finetuned+lr=1e-4"))
    plain, tuned = made.cells
    assert plain.stages["pretrain"] == tuned.stages["pretrain"]
    assert made.stages[plain.stages["fit"]].params.joint is None
    assert made.stages[tuned.stages["fit"]].params.joint is not None
    assert made.stages[tuned.stages["pretrain"]].label == "pretrain · byol:lr=1e-4 · toy · seed 0"


def test_the_same_value_has_the_same_key_however_it_is_said(toy: type) -> None:
    said, listed = plan("method.byol.lr=2e-4"), plan("method.byol.lr=2e-4,1e-4")
    assert said.cells[1].stages == listed.cells[1].stages


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretrain.frames=1000,2000", r"method.NAME.SETTING; run once for each value of pretrain.frames"),
        ("method.dynamo.lr=1e-4,3e-4", "unknown method of a value list 'dynamo'"),
        ("method.byol.lrr=1e-4,3e-4", r"method.byol has no 'lrr'; did you mean lr\?"),
        ("method.byol.lr=many,few", "method.byol.lr=many: Value 'many'"),
    ],
)
def test_a_wrong_list_is_refused(toy: type, override: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        plan(override)


def test_lists_of_lists_and_ranges(toy: type) -> None:
    assert rows(plan("method.byol.betas=[0.9,0.99],[0.5,0.9]")) == ["random", "byol:betas=[0.9,0.99]", "byol:betas=[0.5,0.9]"]
    assert rows(plan("method.byol.width=range(8,17,8)")) == ["random", "byol:width=8", "byol:width=16"]


def test_a_minus_in_a_value_stays_one() -> None:
    assert parse_row("byol-t:no-forward+weight-decay=1e-4") == ("byol_t", "no_forward+weight_decay=1e-4")
    assert parse_row("x:lr=1e+3") == ("x", "lr=1e+3")
    assert parse_row(row_label("byol", "a+lr=1e-4")) == ("byol", "a+lr=1e-4")
