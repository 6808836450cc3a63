"""Faults of estimates of memory."""

from faults.fault import Fault

MEMORY = "planning/test_memory.py"

FAULTS = (
    *(
        Fault(
            f"memory: preparing the tokenizer of {policy} costs nothing",
            file,
            before,
            "return 0",
            f"{MEMORY}::test_a_tokenizer_holds_what_its_tensors_take_and_more[{policy}-settings{number}]",
        )
        for number, (policy, file, before) in enumerate(
            (
                ("vqbet", "policies/_shared/residual_vq.py", "return 4 * config.latent"),
                ("bet", "policies/bet.py", "return 13 * config.bins"),
            )
        )
    ),
    Fault(
        "memory: what a tokenizer holds is not asked for",
        "benchmark/planning/memory.py",
        " + tokenizer.held(made_of)",
        "",
        f"{MEMORY}::test_what_grows_with_what",
    ),
    Fault(
        "memory: frames that an encoder looked at are forgotten",
        "benchmark/planning/memory.py",
        "return base + seen + 2 * frames * dim",
        "return base + 2 * frames * dim",
        f"{MEMORY}::test_what_was_measured_once_in_a_process_of_its_own",
    ),
    Fault(
        "memory: the state is held to be an image",
        "benchmark/planning/memory.py",
        "seen = 0 if privileged else frames * image",
        "seen = frames * image",
        f"{MEMORY}::test_what_was_measured_once_in_a_process_of_its_own",
    ),
    Fault(
        "memory: a budget in steps draws all frames",
        "benchmark/planning/memory.py",
        "budget.frames or (budget.steps or math.inf) * _frames_per_step(params)",
        "budget.frames or math.inf",
        f"{MEMORY}::test_what_grows_with_what",
    ),
    Fault(
        "memory: a second crop of a frame costs nothing",
        "benchmark/planning/memory.py",
        " * spec.images",
        "",
        f"{MEMORY}::test_of_as_many_images_more_frames_take_more",
    ),
    Fault(
        "memory: published networks need no more than ours",
        "benchmark/planning/memory.py",
        ' or "pretrained" in config',
        "",
        f"{MEMORY}::test_what_grows_with_what",
    ),
    Fault(
        "memory: further simulators in a process cost nothing",
        "benchmark/planning/memory.py",
        " + (slots - processes) * more",
        "",
        f"{MEMORY}::test_what_grows_with_what",
    ),
    Fault(
        "memory: a published network has the features of a ResNet-18",
        "benchmark/planning/memory.py",
        'getattr(cls, "dim", UNKNOWN)',
        "512",
        f"{MEMORY}::test_features_are_as_wide_as_those_of_the_network",
    ),
    Fault(
        "memory: a vision transformer has as many places as a ResNet",
        "benchmark/planning/memory.py",
        "resolution // (16 if resolution >= 128 else 8)",
        "math.ceil(resolution / LAST)",
        f"{MEMORY}::test_features_are_as_wide_as_those_of_the_network",
    ),
    Fault(
        "memory: a peak between two looks is missed",
        "benchmark/core/memory.py",
        "self.peak = max(self.peak, _peak())",
        "pass",
        f"{MEMORY}::test_the_peak_is_seen_though_it_is_over_when_one_looks",
    ),
)
