"""Faults of tasks, of which an episode may ask for one."""

from faults.fault import Fault

FAULTS = (
    Fault(
        "tasks: a crashed episode fails in no task",
        "benchmark/stages/rollout.py",
        '{f"task/{asked}": 0.0}',
        "{}",
        "cli/test_run.py::test_a_simulator_that_dies_costs_one_episode_and_is_counted",
    ),
    Fault(
        "tasks: an episode fails in tasks that it does not ask for",
        "benchmark/conformance/environments.py",
        "given <= wanted_tasks,",
        "True,",
        "conformance/test_conformance.py::test_an_episode_that_asks_for_one_task_says_nothing_of_others[others]",
    ),
    Fault(
        "tasks: episodes that ask for others count",
        "benchmark/results/view.py",
        "    frame = frame.dropna(subset=metric)\n",
        "    frame = frame.fillna({metric: 0.0})\n",
        "results/test_view.py::test_a_task_is_judged_in_the_episodes_that_ask_for_it",
    ),
    Fault(
        "tasks: a crashed episode has failed in all of them",
        "benchmark/results/view.py",
        "failed[part.loc[failed, tasks].isna().all(axis=1)]",
        "failed",
        "results/test_view.py::test_a_crashed_episode_has_failed_in_the_task_that_it_names",
    ),
)
