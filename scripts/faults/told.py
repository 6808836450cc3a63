"""Faults of what a person is told who asks for something that is not there."""

from faults.fault import Fault

TOLD = "cli/test_told_why.py"

FAULTS = (
    Fault(
        "told: a stage that this machine has no memory for is planned without a word",
        "benchmark/cli/forecast.py",
        "    if needed <= there:\n",
        "    if True:\n",
        "cli/test_selection.py::test_what_this_machine_has_too_little_of_is_told",
    ),
    Fault(
        "told: pulled results are not compared with their checksums",
        "benchmark/cli/hub.py",
        "        verify(options.folder)\n",
        "        pass\n",
        "cli/test_hub.py::test_results_are_a_data_set_with_their_table",
    ),
    Fault(
        "told: a store that holds nothing of a plan is a table of dashes",
        "benchmark/planning/history.py",
        "if plan.stages and not any(",
        "if False and not any(",
        f"{TOLD}::test_a_store_that_holds_nothing_of_a_plan_is_named[verb0]",
    ),
    Fault(
        "told: what failed was never run",
        "benchmark/planning/history.py",
        "store.has(stage.kind, key) or store.failure(key)",
        "False",
        f"{TOLD}::test_a_plan_that_is_partly_run_is_shown_and_its_times_are_measured",
    ),
    Fault(
        "told: a guess passes for a measurement",
        "benchmark/planning/estimates.py",
        "(DEFAULT_RATES[kind], (kind,))",
        "(DEFAULT_RATES[kind], ())",
        f"{TOLD}::test_a_plan_that_is_partly_run_is_shown_and_its_times_are_measured",
    ),
    Fault(
        "told: a table ignores what it was told to show",
        "benchmark/cli/table.py",
        "and name not in read:",
        "and name == read:",
        f"{TOLD}::test_a_table_refuses_what_it_would_ignore",
    ),
    Fault(
        "told: a table of a method that is not there is empty",
        "benchmark/cli/table.py",
        "if method not in (present :=",
        "if not (present :=",
        f"{TOLD}::test_a_table_refuses_what_it_would_ignore",
    ),
)
