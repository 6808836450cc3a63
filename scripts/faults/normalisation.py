"""Faults of normalisation."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
TOKENIZE = "stages/test_tokenize.py"
AGENT = "simulation/test_agent.py"
NORMALIZE = "data/test_normalize.py"

FAULTS = (
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
    Fault(
        "normalisation: a constant action is what was predicted",
        "benchmark/data/normalize.py",
        "torch.maximum(shift.abs(), spread.max()), spread, 0.0)",
        "torch.maximum(shift.abs(), spread.max()), spread, 1.0)",
        f"{NORMALIZE}::test_actions_have_units_of_their_own",
    ),
    Fault(
        "normalisation: small units are constant beside large ones",
        "benchmark/data/normalize.py",
        "spread > ROUNDING * torch.maximum",
        "spread > CONSTANT * torch.maximum",
        f"{NORMALIZE}::test_actions_have_units_of_their_own",
    ),
)
