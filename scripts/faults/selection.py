"""Faults of selection."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
ROLLOUTS = "simulation/test_rollout.py"
LOOP = "training/test_loop.py"

FAULTS = (
    Fault(
        "selection: the highest validation loss is kept",
        "benchmark/training/loop.py",
        "loss < min(filter(math.isfinite, before), default=math.inf)",
        "loss > max(filter(math.isfinite, before), default=-math.inf)",
        f"{ACCOUNTS}::test_the_checkpoint_that_acts_is_the_one_that_was_chosen[validation-20]",
    ),
    Fault(
        "selection: after a lost validation nothing is better",
        "benchmark/training/loop.py",
        "loss < min(filter(math.isfinite, before), default=math.inf)",
        "all(loss < other for other in before)",
        "training/test_loop.py::test_the_checkpoint_of_lowest_validation_loss_is_kept",
    ),
    Fault(
        "selection: the first checkpoint need not count",
        "benchmark/training/loop.py",
        "return not before or loss",
        "return loss",
        "training/test_loop.py::test_the_checkpoint_of_lowest_validation_loss_is_kept",
    ),
    Fault(
        "selection: the last checkpoint acts, whatever was chosen",
        "benchmark/stages/load/agent.py",
        "file_of(checkpoint if learns else LAST)",
        "file_of(LAST)",
        f"{ACCOUNTS}::test_the_checkpoint_that_acts_is_the_one_that_was_chosen[validation-20]",
    ),
    Fault(
        "selection: validation trains on, with dropout",
        "benchmark/training/loop.py",
        "                module.eval()\n",
        "",
        f"{LOOP}::test_validation_happens_in_evaluation_mode",
    ),
    Fault(
        "selection: crashed episodes are dropped",
        "benchmark/stages/rollout.py",
        "        for outcome in outcomes\n    ]",
        "        for outcome in outcomes\n        if outcome.score\n    ]",
        "cli/test_run.py::test_a_simulator_that_dies_costs_one_episode_and_is_counted",
    ),
    Fault(
        "selection: a crashed episode scores the highest value",
        "benchmark/stages/rollout.py",
        "spec.metric_range[0]",
        "spec.metric_range[1]",
        "cli/test_run.py::test_a_simulator_that_dies_costs_one_episode_and_is_counted",
    ),
    Fault(
        "selection: slots take whatever episode is next",
        "benchmark/simulation/rollout.py",
        "[iter(episodes_of(slot, slots, len(seeds))) for slot in range(slots)]",
        "[iter(range(len(seeds)))] * slots",
        f"{ROLLOUTS}::test_slots_run_their_own_episodes_in_order_whatever_crashes",
    ),
)
