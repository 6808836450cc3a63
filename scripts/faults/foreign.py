"""Faults of reading what strangers wrote: data sets and exported records."""

from faults.fault import Fault

BUDGET = "datasets/test_budget.py"
READER = "datasets/test_reader.py"
SILENT = "datasets/test_silent.py"
STRANGERS = "results/test_strangers.py"
NUMBERS = "planning/test_numbers.py"

FAULTS = (
    Fault(
        "foreign: announced sizes are not compared with the budget",
        "benchmark/datasets/budget.py",
        "    if size > limit:\n",
        "    if size > limit * 10**6:\n",
        f"{BUDGET}::test_what_a_file_announces_is_checked_first[npz]",
    ),
    Fault(
        "foreign: a tensor may repeat what it stores",
        "benchmark/datasets/files.py",
        "if array.nbytes > value.untyped_storage().nbytes():",
        "if False:",
        f"{BUDGET}::test_what_a_file_announces_is_checked_first[tensor_of_stride_zero]",
    ),
    Fault(
        "foreign: images may have any size",
        "benchmark/datasets/budget.py",
        "    if width * height > PIXELS:\n",
        "    if width * height > PIXELS * 100:\n",
        f"{BUDGET}::test_what_a_file_announces_is_checked_first[png]",
    ),
    Fault(
        "foreign: path patterns may pad numbers to any width",
        "benchmark/datasets/lerobot.py",
        "or width not in WIDTHS or conversion",
        "or conversion",
        f"{BUDGET}::test_what_a_file_announces_is_checked_first[path_width]",
    ),
    Fault(
        "foreign: all members of an archive are unpacked",
        "benchmark/datasets/files.py",
        "for name in wanted if",
        "for name in [n[:-4] for n in entries] if",
        f"{BUDGET}::test_members_that_nobody_needs_are_not_unpacked",
    ),
    Fault(
        "foreign: pipes and devices count as files",
        "benchmark/datasets/files.py",
        "    if not stat.S_ISREG(status.st_mode):\n",
        "    if False:\n",
        f"{BUDGET}::test_sockets_and_links_to_devices_are_refused",
    ),
    Fault(
        "foreign: a sparse file counts as large",
        "benchmark/datasets/files.py",
        "return status.st_blocks * 512",
        "return status.st_size",
        f"{BUDGET}::test_holes_of_a_sparse_file_do_not_raise_the_budget",
    ),
    Fault(
        "foreign: links in HDF5 are followed",
        "benchmark/datasets/hdf5.py",
        "if not isinstance(link, h5py.HardLink):",
        "if False:",
        f"{BUDGET}::test_hdf5_never_opens_another_file[data/demo_0/actions]",
    ),
    Fault(
        "foreign: a reader that hangs is killed alone",
        "benchmark/datasets/reader.py",
        "os.killpg(self._process.pid, signal.SIGKILL)",
        "self._process.kill()",
        f"{READER}::test_what_it_started_is_killed_with_it",
    ),
    Fault(
        "foreign: a view may be called as a path is",
        "benchmark/datasets/reader.py",
        "        if not VIEW.fullmatch(view):\n",
        "        if not VIEW.search(view):\n",
        f"{READER}::test_a_view_cannot_name_a_place_elsewhere",
    ),
    Fault(
        "foreign: what a reader says is shown as it is",
        "benchmark/datasets/reader.py",
        'BenchmarkError)(printable_lines(message["text"]))',
        'BenchmarkError)(message["text"])',
        f"{READER}::test_texts_of_strangers_are_cleaned",
    ),
    Fault(
        "foreign: the rate of a video is not compared",
        "benchmark/datasets/lerobot.py",
        "if not math.isclose(videos[camera].fps, self._hz, rel_tol=FPS_ERROR):",
        "if False:",
        f"{SILENT}::test_a_rate_that_is_not_that_of_the_video",
    ),
    Fault(
        "foreign: an episode may be listed twice",
        "benchmark/datasets/lerobot.py",
        "for a, b in pairwise(numbers) if a == b]",
        "for a, b in pairwise(numbers) if a > b]",
        f"{SILENT}::test_an_episode_that_is_listed_twice",
    ),
    Fault(
        "foreign: a mask may have holes",
        "benchmark/datasets/dynamo_release.py",
        "if (np.diff(mask.astype(np.int8), axis=time) > 0).any():",
        "if False:",
        f"{SILENT}::test_a_mask_with_holes",
    ),
    Fault(
        "foreign: ends of episodes are rounded",
        "benchmark/datasets/diffusion_policy_zarr.py",
        "or (np.rint(ends) != ends).any() ",
        "",
        f"{SILENT}::test_ends_of_episodes_that_are_no_ends[ends0]",
    ),
    Fault(
        "foreign: rows of an export may be repeated",
        "benchmark/results/imported.py",
        '_once(episodes, records, [*IDENTITY, "episode"])',
        "_once(episodes, records, records.columns)",
        f"{STRANGERS}::test_what_is_wrong_is_told_with_its_place",
    ),
    Fault(
        "foreign: scores may lie outside of their metric's range",
        "benchmark/results/imported.py",
        "if not low - ROUNDING * (high - low) <= score <= high + ROUNDING * (high - low):",
        "if False:",
        f"{STRANGERS}::test_what_is_wrong_is_told_with_its_place",
    ),
    Fault(
        "foreign: an export keeps the old provenance while it is written",
        "benchmark/results/export.py",
        "    (folder / PROVENANCE).unlink(missing_ok=True)\n",
        "    folder.touch()\n",
        f"{STRANGERS}::test_a_killed_export_does_not_mix_two",
    ),
    Fault(
        "foreign: a commit becomes part of a command unquoted",
        "benchmark/report/page.py",
        'shlex.join(["git", "checkout", git["commit"]])',
        '" ".join(["git", "checkout", git["commit"]])',
        f"{STRANGERS}::test_a_commit_is_quoted_where_it_becomes_a_command",
    ),
    Fault(
        "foreign: names in figures may be formulas",
        "benchmark/report/drawing.py",
        "            text.set_parse_math(False)\n",
        "            text.set_parse_math(True)\n",
        f"{STRANGERS}::test_figures_take_names_literally",
    ),
    Fault(
        "foreign: control characters pass",
        "benchmark/core/text.py",
        'return category.startswith("C") or category in LINES',
        "return category in LINES",
        f"{STRANGERS}::test_escape_sequences_reach_no_terminal",
    ),
    Fault(
        "foreign: a device is replaced by a file",
        "benchmark/cli/flags.py",
        "if path.exists() and not path.is_file():",
        "if False:",
        "cli/test_outputs.py::test_devices_pipes_and_folders_are_not_replaced_by_a_file",
    ),
    Fault(
        "foreign: any number of threads is accepted",
        "benchmark/planning/config/schema.py",
        "require(count is None or least <= count <= most,",
        "require(count is None or count <= most,",
        f"{NUMBERS}::test_numbers_that_cannot_be_are_refused",
    ),
    Fault(
        "foreign: an encoder without a network is as large as one with it",
        "benchmark/planning/estimates.py",
        "and not registry.methods().get(stage.params.method).privileged:",
        "and stage.params.method:",
        f"{NUMBERS}::test_a_small_plan_is_not_said_to_need_what_a_large_network_does",
    ),
)
