"""Faults of bench."""

from faults.fault import Fault

TIMING = "bench/test_timing.py"
FLOOR = "bench/test_floor.py"
PAGE = "bench/test_page.py"
SUITE = "bench/test_suite.py"
MEASURED = "bench/test_measurements.py"

FAULTS = (
    Fault(
        "bench: a mean for a median",
        "benchmark/bench/timing.py",
        "statistics.median(seconds)",
        "statistics.fmean(seconds)",
        f"{TIMING}::test_the_median_forgets_one_slow_repetition_and_the_spread_does_not",
    ),
    Fault(
        "bench: the same work always goes first",
        "benchmark/bench/timing.py",
        "names if repetition % 2 == 0 else names[::-1]",
        "names",
        f"{TIMING}::test_works_take_turns_and_every_other_round_goes_backwards",
    ),
    Fault(
        "bench: the clock is read while the device works",
        "benchmark/bench/timing.py",
        "            work()\n        self.wait()\n",
        "            work()\n",
        f"{TIMING}::test_the_device_has_finished_before_the_clock_is_read",
    ),
    Fault(
        "bench: the first block of a rollout counts",
        "benchmark/bench/rollouts.py",
        "if self._calls > self._ticks:",
        "if self._calls:",
        f"{TIMING}::test_a_rollout_is_timed_in_blocks_without_the_first_and_without_the_turns_of_others",
    ),
    Fault(
        "bench: arithmetic and traffic are added",
        "benchmark/bench/floor.py",
        "max(cost.flops / self._rate(precision), cost.bytes / self.copy)",
        "cost.flops / self._rate(precision) + cost.bytes / self.copy",
        f"{FLOOR}::test_the_floor_is_the_longer_of_arithmetic_and_traffic",
    ),
    Fault(
        "bench: weights are activations",
        "benchmark/bench/floor.py",
        "if storage.data_ptr() not in own:",
        "if True:",
        f"{FLOOR}::test_what_is_saved_twice_moves_once_and_weights_are_not_activations",
    ),
    Fault(
        "bench: float32 is never TF32",
        "benchmark/bench/floor.py",
        "rounded if torch.backends.cudnn.allow_tf32 else exact",
        "exact",
        f"{FLOOR}::test_the_ceiling_is_of_the_fastest_precision_that_may_be_used",
    ),
    Fault(
        "bench: a floor of a call, not of a unit",
        "benchmark/bench/case.py",
        "self.ceilings.seconds(cost, precision) / units",
        "self.ceilings.seconds(cost, precision)",
        f"{FLOOR}::test_a_line_is_per_unit_and_its_share_is_of_the_ceiling",
    ),
    Fault(
        "bench: an error passes for something that is not here",
        "benchmark/bench/case.py",
        '[:300]}", failed=True)]',
        '[:300]}")]',
        f"{SUITE}::test_an_error_is_a_line_and_the_next_case_goes_on",
    ),
    Fault(
        "bench: a ratio is old over new",
        "benchmark/bench/page.py",
        "new.rate / old.rate",
        "old.rate / new.rate",
        f"{PAGE}::test_ratios_are_new_over_old_of_what_both_have",
    ),
    Fault(
        "bench: an unknown name is passed over",
        "benchmark/bench/suite.py",
        'if word != "ceiling" and not any(_names(word, case) for case in cases):',
        "if False:",
        f"{SUITE}::test_an_unknown_name_gets_a_suggestion",
    ),
    Fault(
        "bench: the released VQ-BeT keeps its own width",
        "scripts/released_vqbet.py",
        "hidden = config.groups * config.codes, [config.hidden] * 2",
        "hidden = config.groups * config.codes, [1024] * 2",
        f"{MEASURED}::test_the_released_vqbet_trains_beside_ours_with_networks_of_its_size",
    ),
    Fault(
        "bench: the released VQ-BeT sees one batch again and again",
        "scripts/released_vqbet.py",
        "for part in next(self._batches))",
        """for part in self.__dict__.setdefault("first", next(self._batches)))""",
        f"{MEASURED}::test_the_released_vqbet_trains_beside_ours_with_networks_of_its_size",
    ),
    Fault(
        "bench: packages of the release hide those of the same name",
        "benchmark/bench/released.py",
        "        sys.modules.update(others)",
        "        pass",
        f"{MEASURED}::test_the_released_vqbet_trains_beside_ours_with_networks_of_its_size",
    ),
    Fault(
        "bench: the plain loop takes one step for many",
        "benchmark/bench/serial.py",
        "for _ in range(steps):",
        "for _ in range(1):",
        f"{MEASURED}::test_a_plain_loop_acts_as_a_rollout_does",
    ),
    Fault(
        "bench: the plain loop shows stale frames",
        "benchmark/bench/serial.py",
        "            self._frames[0] = env.render()",
        "            env.render()",
        f"{MEASURED}::test_a_plain_loop_acts_as_a_rollout_does",
    ),
    Fault(
        "bench: what is called compiled is not",
        "benchmark/bench/steps.py",
        "bench.device, precision, compiled=True)",
        "bench.device, precision)",
        "bench/test_measurements.py::test_compiled_steps_take_turns_where_they_are_asked_for[fit/vqbet]",
    ),
    Fault(
        "bench: one policy that cannot be imported stops all of it",
        "benchmark/bench/heads.py",
        "if registry.policies().problem(name) is not None:",
        "if False:",
        "bench/test_suite.py::test_a_policy_that_cannot_be_imported_is_one_line",
    ),
)
