"""What the plan shares, and what it refuses before any work."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import seed
from benchmark.core.typed import to_json
from benchmark.data.episodes import split
from benchmark.envs.libero_goal import TASKS, LiberoGoal, LiberoGoalConfig
from benchmark.planning import recipes
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan
from benchmark.planning.keys import code_behind
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store


def kinds(plan: Plan) -> Counter[str]:
    return Counter(stage.kind for stage in plan.stages.values())


def test_each_pretraining_and_each_data_set_exist_once():
    plan = make_plan(Request(methods=["byol", "dynamo", "state"], policies=["mlp", "knn"], seeds=3))
    assert len(plan.cells) == 18
    # the state is one encoder, whatever the seed
    assert kinds(plan) == {"demos": 1, "pretrain": 7, "embed": 7, "probe": 7, "fit": 18, "rollout": 18}


def test_an_untrained_control_is_another_encoder_for_each_seed_its_published_row_is_not():
    plan = make_plan(Request(methods=["dinov2", "dinov2:untrained"], policies=["knn"], seeds=3))
    pretrained = [stage.params for stage in plan.stages.values() if stage.kind == "pretrain"]
    assert [(p.seed, p.config["pretrained"], sorted(p.files)) for p in pretrained] == [
        (0, True, ["dinov2_vits14_pretrain.pth"]),
        (0, False, []),
        (1, False, []),
        (2, False, []),
    ]


def test_a_larger_matrix_keeps_the_stages_of_a_smaller_one():
    small = make_plan(Request(methods=["byol"], seeds=1)).stages
    large = make_plan(Request(methods=["all"], policies=["all"], seeds=2)).stages
    assert set(small) < set(large)


def test_every_key_answers_to_what_it_depends_on():
    def keys(*overrides: str) -> dict[str, str]:
        plan = make_plan(Request(methods=["byol"], policies=["mlp"], overrides=overrides))
        return {stage.kind: key for key, stage in plan.stages.items()}

    base = keys()
    for override, kept in (
        ("env.kitchen.episodes=5", set()),
        ("pretrain.frames=640", {"demos"}),
        ("embed.features=patch", {"demos", "pretrain"}),
        ("fit.steps=3", {"demos", "pretrain", "embed", "probe"}),
        ("split.held_out_from_policies=0.3", {"demos", "pretrain", "embed", "probe"}),
        ("rollout.episodes=3", {"demos", "pretrain", "embed", "probe", "fit"}),
        ("machine.workers=1", set(base)),
    ):
        assert {kind for kind, key in keys(override).items() if key == base[kind]} == kept, override


@pytest.mark.parametrize(("preset", "encoders", "policies"), [("quick", 0.1, 0.1), ("paper", 0.05, 0.1)])
def test_what_policies_do_not_see_may_differ_from_what_encoders_do_not_see(preset, encoders, policies):
    """train_fraction is 0.95 and 0.9 in the configs of github.com/jeffacce/dynamo_ssl."""
    params = {
        stage.kind: stage.params for stage in make_plan(Request(["byol"], ["kitchen"], ["mlp"], preset=preset)).stages.values()
    }
    assert params["pretrain"].learning.held_out == params["probe"].held_out == encoders
    assert params["fit"].held_out == policies


def test_all_encoders_share_the_tokenizer_of_a_seed():
    plan = make_plan(Request(["state", "random", "byol", "byol:finetuned"], ["kitchen"], ["vqbet", "bet", "mlp"], seeds=2))
    inputs = {cell.id: plan.stages[cell.stages["fit"]].inputs for cell in plan.cells}
    for policy in ("vqbet", "bet"):
        assert len({(cell.seed, of["tokenizer"]) for cell, of in inputs.items() if cell.policy == policy}) == 2
    assert kinds(plan)["tokenize"] == 4
    assert all(("tokenizer" in of) == (cell.policy != "mlp") for cell, of in inputs.items())


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("policy.vqbet.codes=8", False),
        ("policy.vqbet.chunk=4", False),
        ("split.held_out_from_policies=0.3", False),
        ("policy.vqbet.lr=0.01", True),
        ("policy.vqbet.history=3", True),
        ("fit.steps=3", True),
        ("fit.goal=last", True),
        ("fit.proprio=true", True),
        ("embed.features=patch", True),
    ],
)
def test_a_tokenizer_answers_to_actions_and_its_own_settings(override: str, same: bool):
    keys = [
        next(
            stage.key for stage in make_plan(Request(["byol"], overrides=overrides)).stages.values() if stage.kind == "tokenize"
        )
        for overrides in ([], [override])
    ]
    assert (keys[0] == keys[1]) is same


def test_a_finetuned_encoder_starts_from_the_pretraining_of_the_plain_row():
    plan = make_plan(Request(methods=["byol", "byol:finetuned"], policies=["mlp"]))
    assert kinds(plan) == {"demos": 1, "pretrain": 1, "embed": 1, "probe": 1, "fit": 2, "rollout": 2}


def test_what_cannot_run_is_a_cell_with_a_reason():
    cells = make_plan(Request(methods=["tcn_mv", "end_to_end"], policies=["knn", "mlp"])).cells
    reasons = {(cell.id.method, cell.id.policy): cell.refused for cell in cells}
    assert reasons["tcn_mv", "mlp"] == "needs 2 views, kitchen has 1"
    assert "no gradient" in (reasons["end_to_end", "knn"] or "")
    assert reasons["end_to_end", "mlp"] is None


def test_a_source_that_an_environment_lacks_is_refused_before_any_work():
    wrong = "env.kitchen.demonstrations=humn"
    (cell,) = make_plan(Request(methods=["random"], policies=["knn"], overrides=[wrong])).cells
    assert f"{wrong}: there are scripted" in str(cell.refused)


def test_what_names_no_features_is_refused():
    for features in ("patch@", "pooled@2", "''", "patch++pooled", "../x"):
        with pytest.raises(BenchmarkError, match="no FEATURE@N, such as patch@3"):
            make_plan(Request(methods=["random"], policies=["knn"], overrides=[f"embed.features={features}"]))


def test_a_goal_by_task_needs_tasks():
    (cell,) = make_plan(Request(methods=["random"], envs=["pusht"], policies=["mlp"], overrides=["fit.goal=task"])).cells
    assert cell.refused == "fit.goal=task: pusht has no tasks"


def test_features_of_no_scale_yet_are_not_standardised() -> None:
    plan = make_plan(Request(["film_efficientnet", "end_to_end"], policies=["rt1"]))
    fits = {cell.id.method: plan.stages[cell.stages["fit"]].params.standardise for cell in plan.cells}
    assert fits == {"film_efficientnet": False, "end_to_end": True}


def test_what_needs_a_goal_is_refused_where_there_is_none() -> None:
    """And an encoder that stacks images is told no numbers."""
    methods, policies = ["early_fusion", "film_efficientnet", "random"], ["gc_bc", "rt1"]

    def refused(goal: str) -> dict[tuple[str, str], str]:
        cells = make_plan(Request(methods, ["pusht"], policies, overrides=[f"fit.goal={goal}"])).cells
        return {(cell.id.method, cell.id.policy): cell.refused for cell in cells if cell.refused}

    for goal in ("last", "future"):
        assert refused(goal) == {}
    both = [("early_fusion", policy) for policy in policies]
    assert set(refused("language")) == set(both)
    assert set(refused("none")) == {*both, ("film_efficientnet", "gc_bc"), ("random", "gc_bc")}
    reasons = refused("none")
    assert reasons["early_fusion", "rt1"].endswith("together: fit.goal=last or future, not none")
    assert reasons["random", "gc_bc"] == "gc_bc acts towards a goal: name one with fit.goal, such as fit.goal=future"


@pytest.mark.parametrize("goal", ["last", "future", "task", "none"])
@pytest.mark.parametrize("episodes", [171, 20])
def test_a_goal_that_no_held_out_demonstration_will_show_is_refused_before_any_work(episodes: int, goal: str) -> None:
    overrides = [f"env.libero_goal.episodes={episodes}", f"fit.goal={goal}"]
    (cell,) = make_plan(Request(["random"], ["libero_goal"], ["knn"], preset="quick", overrides=overrides)).cells
    if episodes == 20 and goal in ("last", "future"):
        reason = str(cell.refused)
        assert reason.startswith(f"fit.goal={goal}: no held-out demonstration shows the goal of ")
        assert reason.endswith("; raise env.libero_goal.episodes=20 or split.held_out")
        asked = [LiberoGoal.task(LiberoGoalConfig(), seed("demonstrations", "libero_goal", index)) for index in range(20)]
        _, held_out = split(len(asked), 0.1)
        assert {task for task in TASKS if task in reason} == set(TASKS) - {asked[index] for index in held_out}
    else:
        assert cell.refused is None


def test_recorded_demonstrations_show_what_they_show() -> None:
    """Which tasks a recording holds is in its files: a rollout says so, not the plan."""
    overrides = ["env.libero_goal.demonstrations=human", "env.libero_goal.episodes=20"]
    (cell,) = make_plan(Request(["random"], ["libero_goal"], ["knn"], preset="quick", overrides=overrides)).cells
    assert cell.refused is None


def test_code_is_looked_at_once_however_many_cells_there_are(monkeypatch):
    """Of 20 000 cells that is the difference between seconds and a minute."""
    looked = []
    monkeypatch.setattr(recipes, "code_behind", lambda *modules: looked.append(modules) or code_behind(*modules))
    make_plan(Request(methods=["byol", "random"], policies=["mlp", "vqbet"], seeds=3))
    kinds_of_code = Counter(modules[0].rpartition(".")[2] for modules in looked)
    assert kinds_of_code == {"pretrain": 2, "embed": 1, "probe": 1, "tokenize": 1, "fit": 2, "rollout": 1}


def test_hyphens_are_as_good_as_underscores():
    assert (
        make_plan(Request(methods=["end-to-end", "byol:no-augmentation"])).to_json()
        == make_plan(Request(methods=["end_to_end", "byol:no_augmentation"])).to_json()
    )


def test_the_default_head_is_that_of_the_paper():
    assert {cell.id.policy for cell in make_plan(Request(methods=["random"])).cells} == {"vqbet"}


@pytest.mark.parametrize("request_", [Request(methods=["dynmo"]), Request(policies=["mpl"]), Request(envs=["kitchn"])])
def test_misspelt_names_are_corrected(request_):
    with pytest.raises(BenchmarkError, match="did you mean"):
        make_plan(request_)


def test_seeds_must_be_positive():
    with pytest.raises(BenchmarkError, match="at least 1"):
        make_plan(Request(seeds=-1))


def test_rows_of_equal_settings_share_everything():
    """The name of a variant is not part of any key: `dynamo:simsiam` is what `dynamo` does by default."""
    plan = make_plan(Request(methods=["dynamo", "dynamo:simsiam"], policies=["mlp"]))
    assert len(plan.cells) == 2
    assert plan.cells[0].stages == plan.cells[1].stages


@pytest.mark.parametrize(
    "change",
    [{"method": "of_yesterday"}, {"config": {"no_such_field": 1}}, {"learning": {}}],
    ids=["method", "field", "budget"],
)
def test_a_store_of_another_version_still_lets_the_plan_say_how_long(tmp_path: Path, change: dict[str, Any]):
    stages = make_plan(Request(methods=["byol"])).stages
    pretrain = next(stage for stage in stages.values() if stage.kind == "pretrain")
    store = Store(tmp_path).prepare()
    with store.building("pretrain", "0" * 20) as building:
        params = {**to_json(pretrain.params), **change}
        facts = {"label": "", "inputs": {}, "code": "", "libraries": {}, "summary": {}, "machine": {}, "provenance": {}}
        store.commit("pretrain", "0" * 20, building, {**facts, "params": params, "wall_seconds": 1.0, "finished": ""})
    assert set(estimate(stages, store)) == set(stages)


@pytest.mark.slow
def test_a_plan_of_all_rows_imports_no_library_of_networks() -> None:
    """They take four seconds, the plan itself one."""
    heavy = "{'timm', 'torchvision', 'lightly', 'torch._dynamo', 'matplotlib', 'mujoco'}"
    code = f"""
import sys
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
assert len(make_plan(Request(methods=("all",))).cells) > 20
print(sorted({heavy} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
