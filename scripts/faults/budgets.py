"""Faults of budgets."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
LOOP = "training/test_loop.py"

FAULTS = (
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
        "training.batch_size * agent.policy.config.history",
        "training.batch_size",
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
    Fault(
        "budgets: other numbers of seeds are not said",
        "benchmark/report/tables/budgets.py",
        "if text != samples[max(samples)]",
        "if text == samples[max(samples)]",
        "report/test_budgets.py::test_each_budget_has_a_column_in_rising_order",
    ),
)
