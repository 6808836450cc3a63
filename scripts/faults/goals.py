"""Faults of goals."""

from faults.fault import Fault

FAULTS = (
    Fault(
        "goals: a task that only trained demonstrations show counts as shown",
        "benchmark/planning/refusals.py",
        "for index in held_out})",
        "for index in range(count)})",
        "planning/test_graph.py::test_a_goal_that_no_held_out_demonstration_will_show_is_refused_before_any_work",
    ),
    Fault(
        "goals: the plan claims to know what recordings show",
        "benchmark/planning/refusals.py",
        'if self.env_config.demonstrations != "scripted" or not issubclass(self.env, Simulator):',
        "if not issubclass(self.env, Simulator):",
        "planning/test_graph.py::test_recorded_demonstrations_show_what_they_show",
    ),
)
