"""Faults of mixtures: what is read, mapped, drawn, predicted and taken elsewhere."""

from faults.fault import Fault

MIXTURES = "datasets/test_mixtures.py"
SEVERAL = "datasets/test_several.py"
RUN = "cli/test_mixture.py"

FAULTS = (
    Fault(
        "mixture: data sets follow one another in an epoch",
        "benchmark/data/draws.py",
        'numpy_rng(*self._path, "mixed", number).permutation(np.concatenate(drawn))',
        "np.concatenate(drawn)",
        f"{MIXTURES}::test_batches_mix_all_parts_from_the_first_on",
    ),
    Fault(
        "mixture: a data set begins anew with each epoch",
        "benchmark/data/draws.py",
        "self._of(part, number * count, count)",
        "self._of(part, 0, count)",
        f"{MIXTURES}::test_equal_data_sets_of_different_size",
    ),
    Fault(
        "mixture: processes are given the same samples",
        "benchmark/core/collective.py",
        "x.chunk(processes())[rank()]",
        "x.chunk(processes())[0]",
        f"{MIXTURES}::test_processes_share_the_batches_of_one",
    ),
    Fault(
        "mixture: shares have no effect on policies",
        "benchmark/data/chunks.py",
        "        if self._draws:\n",
        "        if False:\n",
        f"{MIXTURES}::test_each_part_is_drawn_by_its_share",
    ),
    Fault(
        "mixture: a part may be without held-out episodes",
        "benchmark/data/episodes.py",
        "counts = [part.episodes for part in self.parts] or [len(self)]",
        "counts = [len(self)]",
        f"{MIXTURES}::test_every_part_has_held_out_episodes",
    ),
    Fault(
        "mixture: a gripper is scanned forwards",
        "benchmark/datasets/action_space.py",
        "coming = np.searchsorted(decided, steps)  #",
        'coming = np.maximum(np.searchsorted(decided, steps, side="right") - 1, 0)  #',
        f"{MIXTURES}::test_a_gripper_changes_only_where_it_is_fully_open_or_closed",
    ),
    Fault(
        "mixture: a gripper half open counts as open",
        "benchmark/datasets/action_space.py",
        "np.where(way >= 1 - DECIDED, OPEN, np.where(way <= DECIDED, CLOSED, 0.0))",
        "np.where(way >= 0.5, OPEN, CLOSED)",
        f"{MIXTURES}::test_grippers_of_all_conventions_are_open_or_closed",
    ),
    Fault(
        "mixture: velocities count as distances",
        "benchmark/datasets/action_space.py",
        '1 / hz if representation == "velocity" else 1.0',
        "1.0",
        f"{MIXTURES}::test_a_mixture_holds_every_part_in_its_own_deviations",
    ),
    Fault(
        "mixture: positions count as movements",
        "benchmark/datasets/action_space.py",
        'if representation not in ("delta", "velocity"):',
        "if False:",
        f"{MIXTURES}::test_what_cannot_be_mixed_is_named_with_the_command_that_fixes_it",
    ),
    Fault(
        "mixture: noise is divided by its own deviation",
        "benchmark/datasets/action_space.py",
        "spread > STEADY * most",
        "spread > 0",
        f"{MIXTURES}::test_a_movement_that_is_noise_is_not_blown_up",
    ),
    Fault(
        "mixture: a part that changed is used all the same",
        "envs/mixture.py",
        "if self.sha256 not in ([], content):",
        "if False:",
        f"{MIXTURES}::test_a_mixture_is_held_to_what_was_planned_with",
    ),
    Fault(
        "mixture: zeros for language are not told apart",
        "benchmark/datasets/mixing.py",
        '"language": [0.0] * width, "language_absent": True',
        '"language": [0.0] * width',
        f"{MIXTURES}::test_language_that_a_part_lacks_is_zeros_and_said",
    ),
    Fault(
        "mixture: a missing view is that of another camera",
        "benchmark/datasets/mixing.py",
        "zip(VIEWS, (others, wrists), strict=True) if numbers",
        "zip(VIEWS, (others, wrists or others), strict=True) if numbers",
        f"{MIXTURES}::test_a_view_that_a_part_lacks_is_black_and_said",
    ),
    Fault(
        "mixture: data sets beside each other are versions of one",
        "benchmark/datasets/rlds.py",
        "if VERSION.fullmatch(p.name) and _shards(p))",
        "if p.is_dir() and _shards(p))",
        f"{MIXTURES}::test_a_folder_of_data_sets_is_none_of_their_versions",
    ),
    Fault(
        "mixture: what is ragged counts as proprioception",
        "benchmark/datasets/rlds.py",
        'left_out = ("embedding", "/ragged_")',
        'left_out = ("embedding",)',
        f"{MIXTURES}::test_open_x_is_read_byte_for_byte[turning]",
    ),
    Fault(
        "mixture: one data set that fails stops the others",
        "benchmark/datasets/several.py",
        "            return Imported(path.name, sizes[path], error=str(error))\n",
        "            raise\n",
        f"{SEVERAL}::test_a_folder_of_data_sets_becomes_recordings",
    ),
    Fault(
        "mixture: what was there before counts as fast",
        "benchmark/datasets/several.py",
        "(done - sum(self._before.values()))",
        "done",
        f"{SEVERAL}::test_the_rate_is_that_of_this_run",
    ),
    Fault(
        "mixture: predictions are compared before they have their units",
        "benchmark/stages/open_loop.py",
        "return agent.actions.inverse(torch.from_numpy(actions).to(device)).cpu().numpy()",
        "return torch.from_numpy(actions).to(device).cpu().numpy()",
        f"{RUN}::test_a_run_ends_with_the_offline_table",
    ),
    Fault(
        "mixture: the mean action is that of all data sets",
        "benchmark/stages/offline.py",
        "demos.steps_of(training[demos.part_of[training] == number])",
        "demos.steps_of(training)",
        f"{RUN}::test_a_run_ends_with_the_offline_table",
    ),
    Fault(
        "mixture: errors in units are in deviations",
        "benchmark/stages/offline.py",
        "float(own[dim] * self.units[dim])",
        "float(own[dim] * self.deviations[dim])",
        f"{RUN}::test_a_run_ends_with_the_offline_table",
    ),
    Fault(
        "mixture: an encoder is pretrained where it is used",
        "benchmark/planning/recipes.py",
        "shown = self._elsewhere[config.on].demos if config.on else self.demos",
        "shown = self.demos",
        f"{RUN}::test_an_encoder_is_pretrained_on_a_mixture_and_used_elsewhere",
    ),
)
