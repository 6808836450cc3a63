"""Faults of statistics."""

from faults.fault import Fault

STATISTICS = "results/test_statistics.py"
SEPARATION = "results/test_separation.py"
TABLES = "report/test_tables.py"

FAULTS = (
    Fault(
        "statistics: comparisons are not paired",
        "benchmark/results/statistics.py",
        "np.asarray(a, float) - np.asarray(b, float)",
        "np.asarray(a, float) - np.mean(b)",
        f"{STATISTICS}::test_pairing_cancels_what_episodes_do_to_both",
    ),
    Fault(
        "statistics: episodes pair by number alone",
        "benchmark/results/view.py",
        'on, metric = ["seed", "episode", "episode_seed"],',
        'on, metric = ["seed", "episode"],',
        "report/test_other_tables.py::test_pairs_are_the_same_episode_seed_or_none",
    ),
    Fault(
        "statistics: seeds are pooled as episodes",
        "benchmark/results/view.py",
        "[scores[seeds == seed] for seed in np.unique(seeds)]",
        "[scores]",
        "results/test_view.py::test_numbers_are_those_of_the_statistics",
    ),
    Fault(
        "statistics: the spread between seeds is ignored",
        "benchmark/results/statistics.py",
        "    values = _padded(groups)\n    seeds, scores =",
        "    values = _padded([np.concatenate(groups)])\n    seeds, scores =",
        f"{STATISTICS}::test_seeds_that_differ_give_the_t_interval_of_their_means",
    ),
    Fault(
        "statistics: Holm's correction is that of no comparison",
        "benchmark/results/statistics.py",
        "np.arange(len(order), 0, -1)",
        "1",
        f"{STATISTICS}::test_holm_on_a_worked_example",
    ),
    Fault(
        "statistics: Holm's correction is not applied",
        "benchmark/report/tables/compare.py",
        "statistics.holm(p) if options.holm else p",
        "p",
        "report/test_other_tables.py::test_compare_pairs_episodes_and_corrects_when_asked",
    ),
    Fault(
        "statistics: bold includes the ceiling",
        "benchmark/results/quality.py",
        'if view.kind(row) != "ceiling" and view.groups(column, row)]',
        "if view.groups(column, row)]",
        f"{TABLES}::test_bold_is_the_best_row_and_what_is_not_distinguishable_from_it",
    ),
    Fault(
        "statistics: the level of a bootstrap is ignored",
        "benchmark/results/statistics.py",
        "[(1 - level) / 2, (1 + level) / 2]",
        "[(1 - LEVEL) / 2, (1 + LEVEL) / 2]",
        f"{STATISTICS}::test_the_level_is_the_readers",
    ),
    Fault(
        "statistics: the level of a rate is ignored",
        "benchmark/results/statistics.py",
        "z = stats.norm.ppf((1 + level) / 2)",
        "z = stats.norm.ppf((1 + LEVEL) / 2)",
        f"{STATISTICS}::test_wilson_follows_the_level",
    ),
    Fault(
        "statistics: p-values are one-sided",
        "benchmark/results/statistics.py",
        "2 * float(special.stdtr(freedom, -abs(estimate) / error))",
        "float(special.stdtr(freedom, -abs(estimate) / error))",
        f"{STATISTICS}::test_a_comparison_is_the_less_sure_of_two_t_tests",
    ),
    Fault(
        "statistics: a ceiling at its bar misses it",
        "benchmark/results/separation.py",
        "self.ceiling.interval.estimate >= self.target",
        "self.ceiling.interval.estimate > self.target",
        f"{SEPARATION}::test_a_ceiling_that_misses_its_bar_does_not_separate_and_one_at_it_does",
    ),
    Fault(
        "statistics: a ceiling reaches its bar with the end of its interval",
        "benchmark/results/separation.py",
        "self.ceiling.interval.estimate >= self.target",
        "self.ceiling.interval.high >= self.target",
        f"{SEPARATION}::test_a_ceiling_that_misses_its_bar_does_not_separate_and_one_at_it_does",
    ),
    Fault(
        "statistics: intervals of ceiling and floor may overlap",
        "benchmark/results/separation.py",
        "floor.interval.high >= self.ceiling.interval.low",
        "floor.interval.estimate >= self.ceiling.interval.low",
        f"{SEPARATION}::test_intervals_that_touch_do_not_separate",
    ),
    Fault(
        "statistics: the gap is to the lowest floor",
        "benchmark/results/separation.py",
        "max(floor.interval.estimate for floor in self.floors)",
        "min(floor.interval.estimate for floor in self.floors)",
        f"{SEPARATION}::test_every_floor_has_to_lie_below_and_the_gap_is_to_the_highest",
    ),
    Fault(
        "statistics: noise may hide the gap",
        "benchmark/results/separation.py",
        "self.detectable < self.gap",
        "self.detectable > 0",
        f"{SEPARATION}::test_noise_between_seeds_that_hides_the_gap_does_not_separate",
    ),
    Fault(
        "statistics: a setting without floors separates",
        "benchmark/results/separation.py",
        "return self.reaches is True and not self.not_below and self.resolves",
        "return self.reaches is True and not self.not_below",
        f"{SEPARATION}::test_without_ceiling_bar_or_floor_nothing_is_claimed",
    ),
    Fault(
        "statistics: the spread of seeds is that of a population",
        "benchmark/results/separation.py",
        "np.std(means, ddof=1)",
        "np.std(means)",
        f"{SEPARATION}::test_numbers_are_those_of_the_view",
    ),
    Fault(
        "statistics: the ceiling is a row like others to the median",
        "benchmark/results/separation.py",
        'view.kind(row) != "ceiling" and row not in view.untrained',
        "row not in view.untrained",
        f"{SEPARATION}::test_the_median_row_is_a_trained_one",
    ),
    Fault(
        "statistics: one training seed goes unmentioned",
        "benchmark/report/tables/resolution.py",
        "    if of.deviation is None:\n        return TableCell(DASH, notes=(ONE_SEED,))",
        "    if of.deviation is None:\n        return TableCell(DASH)",
        "report/test_resolution.py::test_a_spread_of_one_seed_is_a_dash_with_the_reason",
    ),
    Fault(
        "statistics: a setting is shown twice",
        "benchmark/report/tables/_settings.py",
        "            if column in found:\n",
        "            if False:\n",
        "report/test_resolution.py::test_several_settings_are_rows_of_one_table",
    ),
    Fault(
        "statistics: records of other settings are pooled",
        "benchmark/results/bundle.py",
        "groups.setdefault(settings, {})",
        "groups.setdefault(frozenset(), {})",
        "report/test_resolution.py::test_records_of_several_settings_are_told_apart_and_seeds_of_one_are_joined",
    ),
    Fault(
        "statistics: published networks are floors",
        "benchmark/results/gather.py",
        "return method.seeded(with_variant(method, config.method[cell.method], cell.variant, cell.env))",
        "return True",
        "results/test_results.py::test_networks_that_nothing_trains_are_neither_published_nor_learnt_with_the_policy",
    ),
)
