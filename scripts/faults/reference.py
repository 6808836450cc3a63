"""Faults of reference."""

from faults.fault import Fault

REFERENCE = "test_compare_reference.py"

FAULTS = (
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
        "benchmark/bench/released.py",
        "            del sys.modules[name]",
        "            pass",
        f"{REFERENCE}::test_the_checkout_does_not_stay_importable",
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
)
