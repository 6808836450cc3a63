"""Franka Kitchen's demonstrator: it goes where it means to, in the orders of the human data, and is pushed off its way."""

import numpy as np
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import numpy_rng
from benchmark.envs.kitchen import Kitchen, KitchenConfig, tasks
from benchmark.envs.kitchen.tasks import BEFORE_HINGE
from benchmark.simulation import drawing as mujoco_render
from tests.envs import kitchens
from tests.envs.kitchens import LARGE_SEED, qpos

pytest.importorskip("gymnasium_robotics", reason="python -m pip install -e .")

if reason := mujoco_render.gl_missing():
    pytest.skip(reason, allow_module_level=True)

from benchmark.envs.kitchen.arm import OPEN, Arm
from benchmark.envs.kitchen.expert import KitchenExpert, any_four, human_plan
from benchmark.envs.kitchen.skills import turn

env = kitchens.env


def play(env, expert, limit=280):
    """Runs an expert; returns the number of steps and the step at which each task was completed."""
    when: dict[str, int] = {}
    for step in range(1, limit + 1):
        action = expert.act()
        if action is None:
            return step - 1, when
        assert action.dtype == np.float32
        assert np.abs(action).max() <= 1
        env.step(np.clip(expert.executed(action), -1, 1))
        for task in tasks.TASKS:
            if env.score()[f"task/{task}"]:
                when.setdefault(task, step)
    return limit, when


def arm_of(env):
    return Arm(env._simulator.model, env._simulator.data, env._simulator.robot_env.dt)


def test_the_arm_goes_where_it_is_told(env):
    env.reset(0)
    arm = arm_of(env)
    goal, rotation = np.array([-0.45, 0.35, 2.2]), turn("z", 0.3) @ arm.rotation
    joints = arm.posture_at(goal, rotation)
    for _ in range(20):
        env.step(arm.straight(goal, rotation, OPEN, pace=1.0))
    assert np.linalg.norm(arm.position - goal) < 0.004
    assert np.linalg.norm(arm.rotation - rotation) < 0.05
    assert arm.opening > 0.075
    home = arm.position
    env.reset(0)
    for _ in range(25):
        env.step(arm.swing(joints, OPEN, pace=1.0))
    assert np.linalg.norm(arm.position - home) < 0.015
    np.testing.assert_allclose(qpos(env)[:7], joints, atol=0.01)


@pytest.mark.parametrize("task", tasks.TASKS)
def test_the_expert_can_do_each_task_and_does_no_other(env, task):
    env.reset(21)
    expert = KitchenExpert(arm_of(env), [task], lambda: env._completed, numpy_rng("test", task))
    steps, when = play(env, expert)
    assert set(when) == {task}
    assert steps < 150  # a push may cost a second attempt


@pytest.mark.parametrize("seed", [5, LARGE_SEED])
def test_the_expert_does_four_tasks_in_its_order_in_time(env, seed):
    env.reset(seed)
    expert = env.expert(seed)
    steps, when = play(env, expert)
    assert list(when) == list(expert.info["tasks"])
    assert env.score()["tasks"] == 4
    assert steps < 280
    assert expert.act() is None


def test_experts_differ_from_seed_to_seed(env):
    env.reset(0)
    experts = [env.expert(seed) for seed in range(4)]
    actions = np.stack([expert.act() for expert in experts])
    assert len({tuple(expert.info["tasks"]) for expert in experts}) > 2
    assert len(np.unique(actions, axis=0)) == 4


def test_the_expert_is_pushed_off_its_way_and_means_to_come_back(env):
    """What is executed differs from what is recorded: in one direction for a while, by more in a fast motion."""
    env.reset(0)
    expert = KitchenExpert(arm_of(env), ["microwave"], lambda: env._completed, numpy_rng("test", 0))
    expert._push = 0.1

    def pushes(action):
        return np.stack([expert.executed(action) - action for _ in range(4000)])

    still, fast = pushes(np.zeros(9)), pushes(np.full(9, 0.8))
    trembling = expert.info["noise"] * np.array([1] * 7 + [0.5] * 2)
    np.testing.assert_allclose(still.std(0), trembling, rtol=0.06)
    np.testing.assert_allclose(fast.std(0)[:7], np.hypot(trembling[:7], 0.08), rtol=0.2)
    np.testing.assert_allclose(fast.std(0)[7:], trembling[7:], rtol=0.06)
    following = [np.corrcoef(fast[:-1, joint], fast[1:, joint])[0, 1] for joint in range(9)]
    share = 0.08**2 / (0.08**2 + trembling[0] ** 2)
    np.testing.assert_allclose(following, [0.9 * share] * 7 + [0, 0], atol=0.1)
    meant = expert.act()
    assert np.array_equal(expert.act(), meant), "in the same scene it means the same"
    qpos(env)[0] += 3 * np.sign(meant[0])  # pushed beyond its goal, the joint is steered back
    assert expert.act()[0] * meant[0] < 0


def test_demonstrations_can_all_be_of_one_order():
    for order, message in {
        ("microwave", "lamp"): "unknown kitchen task 'lamp'",
        ("kettle", "kettle"): "each once",
        ("kettle", "microwave", "top burner", "light switch", "bottom burner"): "up to 4 tasks",
        ("hinge_cabinet", "slide_cabinet"): "in the way of: slide cabinet",
    }.items():
        with pytest.raises(BenchmarkError, match=message):
            KitchenConfig(order=order)
    with pytest.raises(BenchmarkError, match="unknown kitchen plans 'humans'"):
        KitchenConfig(plans="humans")
    env = Kitchen(KitchenConfig(resolution=64, order=("microwave", "kettle", "light_switch", "slide_cabinet")))
    try:
        env.reset(0)
        experts = [env.expert(seed) for seed in range(6)]
        actions = np.stack([expert.act() for expert in experts])
    finally:
        env.close()
    assert {tuple(expert.info["tasks"]) for expert in experts} == {("microwave", "kettle", "light switch", "slide cabinet")}
    assert len(np.unique(actions, axis=0)) == 6, "each keeps its own pace and its own trembling"


def test_orders_are_all_that_can_be_carried_out():
    rng = np.random.default_rng(0)
    orders = {tuple(any_four(rng)) for _ in range(9000)}
    assert all(len(set(order)) == 4 for order in orders)
    blocked = [
        order for order in orders if "hinge cabinet" in order and BEFORE_HINGE & {*order[order.index("hinge cabinet") :]}
    ]
    assert blocked == []
    without = 6 * 5 * 4 * 3
    with_one = (
        2 * 6 * 12
    )  # hinge, one of the two that come first, two of the other four: half of 24 orders, for each of 12 sets
    with_none, with_both = 4 * 24, 4 * 8
    assert len(orders) == without + with_one + with_none + with_both == 632


HUMAN_FOLDERS = {  # of kitchen_demos_multitask.zip: what follows the kettle, the microwave, both, neither
    "kettle": "bottom-hinge-slide bottom-switch-slide bottom-switch-hinge switch-hinge-slide top-bottom-slide top-bottom-hinge "
    "top-bottom-switch top-switch-slide",
    "microwave": "bottom-hinge-slide bottom-switch-slide switch-hinge-slide top-bottom-hinge top-bottom-slide "
    "top-bottom-switch top-switch-hinge",
    "microwave-kettle": "bottom-hinge bottom-slide hinge-slide switch-slide switch-hinge top-hinge top-switch",
    "": "top-bottom-switch-slide top-bottom-hinge-slide",
}


def test_demonstrations_follow_the_plans_of_the_human_data():
    """Listed once more by how they begin. Humans open the hinge before the slide, which the expert cannot reach then."""
    folders = {f"{first}-{rest}".strip("-") for first, follow in HUMAN_FOLDERS.items() for rest in follow.split()}
    assert len(folders) == 24
    wanted = {folder.replace("hinge-slide", "slide-hinge") for folder in folders}
    words = {task: task.split()[0] for task in tasks.TASKS} | {"light switch": "switch"}
    rng = np.random.default_rng(0)
    plans = ["-".join(words[task] for task in human_plan(rng)) for _ in range(2400)]
    assert set(plans) == wanted
    assert max(plans.count(plan) for plan in wanted) < 150, "all are equally likely"


def test_plans_are_drawn_from_the_seed_and_any_order_stays():
    orders = {}
    for plans in ("human", "random"):
        env = Kitchen(KitchenConfig(resolution=64, plans=plans))
        try:
            env.reset(0)
            orders[plans] = [tuple(env.expert(seed).info["tasks"]) for seed in range(40)]
            assert [tuple(env.expert(seed).info["tasks"]) for seed in range(3)] == orders[plans][:3]
        finally:
            env.close()
    human = [tuple(plan.split(", ")) for plan in tasks.HUMAN_PLANS]
    assert KitchenConfig().plans == "human"
    assert {order for order in orders["human"] if not tasks.too_late(order)} == set(orders["human"])
    assert {tuple(sorted(order)) for order in orders["human"]} <= {tuple(sorted(plan)) for plan in human}
    assert {order[0] for order in orders["human"]} <= {"microwave", "kettle", "top burner"}
    assert len(set(orders["random"])) > 30
    assert {order[0] for order in orders["random"]} == set(tasks.TASKS)
