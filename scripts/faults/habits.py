"""Faults of habits: what a user meets first."""

from faults.fault import Fault

CHECK = "cli/test_check.py"
GYMNASIUM = "envs/test_gymnasium_env.py"
SWEEPS = "planning/test_sweeps.py"
CONFIG = "cli/test_config_files.py"
PRINTING = "cli/test_printing.py"
WATCH = "cli/test_watch.py"
TRACKERS = "launch/test_trackers.py"
RECORDINGS = "datasets/test_recordings.py"

FAULTS = (
    Fault(
        "habits: the first fault hides the others",
        "benchmark/conformance/common.py",
        "            self.messages.append(message)\n",
        "            raise AssertionError(message)\n",
        f"{CHECK}::test_every_fault_of_an_observation_is_told_with_its_step",
    ),
    Fault(
        "habits: an error names our line",
        "benchmark/conformance/__init__.py",
        "(own or frames)[-1]",
        "frames[-1]",
        f"{CHECK}::test_an_error_of_the_component_names_its_own_line",
    ),
    Fault(
        "habits: check forgets the overrides",
        "benchmark/cli/check.py",
        "overrides=options.overrides, **chosen",
        "**chosen",
        f"{CHECK}::test_the_preset_and_overrides_are_those_of_the_component",
    ),
    Fault(
        "habits: an expert that does not exist is asked",
        "benchmark/contracts/environment.py",
        '"scripted" in cls.sources and cls.expert is not Simulator.expert',
        '"scripted" in cls.sources',
        f"{CHECK}::test_an_expert_that_is_asked_for_and_absent_is_said",
    ),
    Fault(
        "habits: a recording may change after planning",
        "envs/_shared/gymnasium_env.py",
        "self.sha256 = pinned(folder, manifest, self.sha256)",
        "self.sha256 = pinned(folder, manifest, '')",
        f"{GYMNASIUM}::test_its_demonstrations_are_a_recording_held_to_its_content",
    ),
    Fault(
        "habits: values are named as they are computed",
        "benchmark/planning/sweeps.py",
        'return _split(text.split("=", 1)[1]) if plainly else list',
        "return list",
        f"{SWEEPS}::test_a_value_list_makes_a_row_of_each_value",
    ),
    Fault(
        "habits: a fine-tuned row with a setting is not fine-tuned",
        "benchmark/planning/variants.py",
        "return pretrained_as(variant) != variant",
        "return FINETUNED == variant",
        f"{SWEEPS}::test_a_row_may_name_its_settings_itself",
    ),
    Fault(
        "habits: a minus in a value is an underscore",
        "benchmark/core/names.py",
        "return plain(name) + given + value",
        "return plain(name + given + value)",
        f"{SWEEPS}::test_a_minus_in_a_value_stays_one",
    ),
    Fault(
        "habits: a file goes before the flags",
        "benchmark/cli/selection.py",
        "[*base.overrides, *options.overrides]",
        "[*options.overrides, *base.overrides]",
        f"{CONFIG}::test_flags_go_before_the_file",
    ),
    Fault(
        "habits: a preset of one's own goes before the command",
        "benchmark/planning/request.py",
        "[*self.preset_settings, *self.overrides]",
        "[*self.overrides, *self.preset_settings]",
        f"{CONFIG}::test_a_preset_of_ones_own_is_one_of_ours_with_settings",
    ),
    Fault(
        "habits: the second recording is the first again",
        "benchmark/planning/config/compose.py",
        "for n in (*envs, env)}",
        "for n in (env, *envs)}",
        "datasets/test_recording_environment.py::test_recordings_are_environments_by_name_several_in_one_table",
    ),
    Fault(
        "habits: a score below the mean is cut at 0",
        "benchmark/stages/open_loop.py",
        "LOWEST = -1.0",
        "LOWEST = 0.0",
        "stages/test_open_loop.py::test_agreement_by_hand",
    ),
    Fault(
        "habits: quantiles are of another column",
        "benchmark/datasets/export_lerobot.py",
        "np.percentile(values, percent, axis=0)",
        "np.percentile(values[:, :1], percent, axis=0)",
        "datasets/test_lerobot_export.py::test_the_exported_statistics_have_quantiles_and_the_numbers_have_names",
    ),
    Fault(
        "habits: data rm asks nobody",
        "benchmark/cli/data.py",
        "recordings.remove(store, options.name) if options.yes else",
        "recordings.remove(store, options.name) if not options.yes else",
        f"{RECORDINGS}::test_recordings_are_listed_and_removed",
    ),
    Fault(
        "habits: a command is folded",
        "benchmark/core/progress.py",
        "not self.console.is_terminal or has_command(text)",
        "not self.console.is_terminal",
        f"{WATCH}::test_a_line_with_a_command_is_never_folded",
    ),
    Fault(
        "habits: a pipe is cut like a terminal",
        "benchmark/cli/printing.py",
        ".columns if sys.stdout.isatty() else None",
        ".columns if True else None",
        f"{PRINTING}::test_a_pipe_gets_everything",
    ),
    Fault(
        "habits: a narrow terminal cuts the names of rows",
        "benchmark/report/render.py",
        'overflow="fold")  # half',
        'overflow="ellipsis")  # half',
        "report/test_render.py::test_a_narrow_terminal_folds_names_and_cuts_none",
    ),
    Fault(
        "habits: the first number is awaited before the environment",
        "scripts/first_number.py",
        "if number is None and NUMBER.match(line):",
        "if number is None and line:",
        "test_first_number.py::test_a_run_without_a_number_is_no_measurement",
    ),
    Fault(
        "habits: README's commands name the machine they ran on",
        "scripts/regenerate.py",
        'for text in request["overrides"] if not text.startswith("machine.")]',
        'for text in request["overrides"]]',
        "test_regenerate.py::test_a_command_makes_the_records_again_and_says_nothing_of_the_machine",
    ),
    Fault(
        "habits: the time left forgets what has ended",
        "benchmark/cli/watch.py",
        "self._plan.stages[key] for key in set().union(*self._waiting.values()) - self._settled)\n        left",
        "self._plan.stages[key] for key in set().union(*self._waiting.values()))\n        left",
        f"{WATCH}::test_each_cell_is_one_line_with_its_score_even_of_a_quiet_run",
    ),
    Fault(
        "habits: a difference larger than the scale is shown",
        "benchmark/report/tables/resolution.py",
        "of.detectable > captions.reach(view, column)",
        "of.detectable > float('inf')",
        "report/test_resolution.py::test_a_difference_larger_than_the_scale_is_said_and_not_shown",
    ),
    Fault(
        "habits: every word of results ls is enough",
        "benchmark/cli/results.py",
        "if not all(any(part in word",
        "if not any(any(part in word",
        "cli/test_results_ls.py::test_it_is_narrowed_by_words_and_kind",
    ),
    Fault(
        "habits: a broken tracker stops the training",
        "benchmark/launch/trackers.py",
        "        except Exception as error:\n            self._failed = True\n",
        "        except ValueError as error:\n            self._failed = True\n",
        f"{TRACKERS}::test_a_tracker_that_breaks_is_switched_off_and_the_training_goes_on",
    ),
    Fault(
        "habits: a tracker is not told",
        "benchmark/training/loop.py",
        "            task.log(trained.curves[-1])\n            task.update",
        "            task.update",
        f"{TRACKERS}::test_a_service_gets_the_points_that_the_artifact_has",
    ),
    Fault(
        "habits: macOS counts its cores as Linux does",
        "benchmark/core/machine.py",
        'if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1',
        "",
        "test_install.py::test_a_machine_that_does_not_tell_its_cores_has_all_of_them",
    ),
    Fault(
        "habits: another preset keeps the settings of one's own",
        "benchmark/planning/config/files.py",
        'said["preset"], said["preset_settings"] = preset_named',
        'said["preset"], _ = preset_named',
        f"{CONFIG}::test_a_preset_of_ones_own_takes_its_settings_along",
    ),
    Fault(
        "habits: settings of the run before are of rows that are not named",
        "benchmark/planning/config/files.py",
        "wanted.concerned(base.overrides)",
        "base.overrides",
        "cli/test_selection.py::test_settings_of_the_run_before_are_those_of_what_is_named",
    ),
    Fault(
        "habits: an empty name of a folder is this one",
        "benchmark/cli/flags.py",
        "    if not text:\n",
        "    if False:\n",
        "cli/test_outputs.py::test_a_name_that_a_shell_left_empty_is_told[table main --records]",
    ),
    Fault(
        "habits: a table cannot be printed without its lines",
        "benchmark/cli/main.py",
        'errors="replace"',
        'errors="strict"',
        "cli/test_main.py::test_a_terminal_without_these_letters_shows_the_others",
    ),
    Fault(
        "habits: infinite settings reach the key",
        "benchmark/planning/config/compose.py",
        '    _require_finite(values, "")\n',
        "",
        "planning/test_numbers.py::test_settings_that_would_fail_in_a_fit_are_refused_before"
        "[mlp-lr=inf-policy.mlp.lr must be a finite number]",
    ),
    Fault(
        "habits: demonstrations are made for a name that no run plans",
        "benchmark/cli/data.py",
        "    options.env = cls.name\n",
        "",
        "cli/test_selection.py::test_demonstrations_are_made_for_the_name_that_runs_plan",
    ),
)
