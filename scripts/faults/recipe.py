"""Faults of recipe."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"

FAULTS = (
    Fault(
        "recipe: the state is fed as it is where features are",
        "benchmark/planning/recipes.py",
        "fitting.method.standardised) or fitting.method.privileged",
        "fitting.method.standardised)",
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
        "recipe: an environment's settings for a preset that nobody has are never used",
        "benchmark/conformance/environments.py",
        "if preset not in PRESETS:",
        "if False:",
        "conformance/test_conformance.py::test_a_misspelt_preset_of_stages_is_not_ignored",
    ),
    Fault(
        "recipe: an environment's own steps of a preset are not asked for",
        "benchmark/planning/config/compose.py",
        "**cls.stage_presets.get(preset, {}), ",
        "",
        "planning/test_config.py::test_an_environment_may_need_more_steps_than_others_in_a_preset",
    ),
    Fault(
        "recipe: in Push-T agents plan again before they have moved on",
        "policies/_shared/parts.py",
        '("pusht", PUSHT_HORIZON),',
        "",
        "policies/test_policy_parts.py::test_in_push_t_all_heads_carry_a_plan_out_before_they_plan_again",
    ),
)
