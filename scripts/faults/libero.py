"""Faults of libero."""

from faults.fault import Fault

FAULTS = (
    Fault(
        "libero: demonstrations show swapped places",
        "envs/libero_goal/__init__.py",
        "config.swaps and bool(seed & EVALUATION_BIT) and bool(",
        "config.swaps and bool(",
        "envs/test_libero_goal.py::test_half_of_the_evaluation_is_swapped_where_that_is_asked_for_and_no_demonstration",
    ),
    Fault(
        "libero: too few demonstrations to show every goal",
        "envs/libero_goal/__init__.py",
        '"episodes": 250}',
        '"episodes": 64}',
        "envs/test_libero_goal.py::test_every_task_has_a_held_out_demonstration_that_shows_its_goal[quick]",
    ),
    Fault(
        "libero: its heads see a past, as in the kitchen",
        "policies/_shared/parts.py",
        '("libero_goal", SHORT_HORIZON)',
        '("libero_goal", KITCHEN_HORIZON)',
        "policies/test_policy_parts.py::test_where_the_scene_tells_all_heads_see_no_past_and_plan_at_every_second_step",
    ),
    Fault(
        "libero: things are seen from the table's middle",
        "envs/libero_goal/simulator.py",
        "sorted(self._things.values())]] - hand",
        "sorted(self._things.values())]]",
        "envs/test_libero_goal.py::test_things_are_where_the_hand_sees_them",
    ),
    Fault(
        "libero: another version will do",
        "envs/libero_goal/packages.py",
        "if present[name] != version",
        "if present[name] is None",
        "envs/test_libero_goal.py::test_one_command_installs_what_is_missing",
    ),
    Fault(
        "libero: hf-libero may stay",
        "envs/libero_goal/packages.py",
        "    if present[OTHER]:\n",
        "    if False:\n",
        "envs/test_libero_goal.py::test_another_package_of_the_same_module_has_to_go",
    ),
    Fault(
        "libero: a task twice",
        "envs/libero_goal/__init__.py",
        "len(self.tasks) == len(set(self.tasks))",
        "len(self.tasks) >= len(set(self.tasks))",
        "envs/test_libero_goal.py::test_all_ten_tasks_are_asked_for_unless_some_are_chosen",
    ),
    Fault(
        "libero: nothing pushes the demonstrator's hand",
        "envs/libero_goal/expert.py",
        "self._push * np.abs(action[:MOTION]).max() * self._pushed",
        "0",
        "envs/test_libero_goal.py::test_the_expert_is_pushed_off_its_way_but_its_fingers_are_not",
    ),
    Fault(
        "libero: the fingers tremble, too, and let go",
        "envs/libero_goal/expert.py",
        "MOTION = 6",
        "MOTION = 7",
        "envs/test_libero_goal.py::test_the_expert_is_pushed_off_its_way_but_its_fingers_are_not",
    ),
)
