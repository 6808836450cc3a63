"""Faults of order."""

from faults.fault import Fault

ORDER = "planning/test_order.py"

FAULTS = (
    Fault(
        "order: ceiling and floor wait for their turn",
        "benchmark/planning/order.py",
        "trained = 0 if bound else 2",
        "trained = 2",
        f"{ORDER}::test_bounds_then_untrained_then_trained_encoders_and_policies_without_training_first",
    ),
    Fault(
        "order: policies that train come first",
        "benchmark/planning/order.py",
        "trained, policy.learns, not",
        "trained, not policy.learns, not",
        f"{ORDER}::test_bounds_then_untrained_then_trained_encoders_and_policies_without_training_first",
    ),
    Fault(
        "order: seeds are mixed",
        "benchmark/planning/order.py",
        "return (cell.id.seed, trained,",
        "return (0, trained,",
        f"{ORDER}::test_one_seed_of_all_rows_comes_before_the_next",
    ),
    Fault(
        "order: shared stages are counted again",
        "benchmark/planning/order.py",
        "seconds.pop(key, None) is not None",
        "key in seconds",
        f"{ORDER}::test_a_stage_that_an_earlier_cell_leaves_costs_a_later_one_nothing",
    ),
    Fault(
        "order: stored cells wait",
        "benchmark/planning/order.py",
        "            return STORED\n",
        "            pass\n",
        f"{ORDER}::test_what_is_stored_comes_first_and_what_is_refused_not_at_all",
    ),
    Fault(
        "order: estimates are never corrected",
        "benchmark/planning/remaining.py",
        "self._spent[stage.kind] += seconds",
        "self._spent[stage.kind] += expected",
        f"{ORDER}::test_what_is_left_is_corrected_by_what_stages_of_the_kind_have_taken",
    ),
)
