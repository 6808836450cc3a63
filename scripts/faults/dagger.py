"""Faults of dagger."""

from faults.fault import Fault

COLLECT = "stages/test_collect.py"
TABLE = "report/test_generalisation.py"

FAULTS = (
    Fault(
        "dagger: what is kept is what the policy did",
        "benchmark/simulation/collector.py",
        "        return self._controller.act(slots)",
        "        actions = self._controller.act(slots)\n"
        "        for slot in np.flatnonzero(slots.active):\n"
        "            self._notes[self._running[int(slot)]].labels[-1] = actions[slot]\n"
        "        return actions",
        f"{COLLECT}::test_each_round_adds_states_of_the_policy_with_the_expert_s_actions",
    ),
    Fault(
        "dagger: the expert acts",
        "benchmark/simulation/collector.py",
        "        return self._controller.act(slots)",
        "        return slots.labels",
        f"{COLLECT}::test_each_round_adds_states_of_the_policy_with_the_expert_s_actions",
    ),
    Fault(
        "dagger: every round plays the same episodes",
        "benchmark/stages/collect.py",
        "params.seed, params.round, number)",
        "params.seed, number)",
        f"{COLLECT}::test_each_round_adds_states_of_the_policy_with_the_expert_s_actions",
    ),
    Fault(
        "dagger: a round that is taken up again plays other episodes",
        "benchmark/stages/collect.py",
        'seed("collection", cls.name, params.seed,',
        'seed("collection", cls.name, id(context), params.seed,',
        f"{COLLECT}::test_killed_in_the_third_round_the_same_command_gives_the_same_artifacts[collect]",
    ),
    Fault(
        "dagger: a fit that is taken up again has lost its weights",
        "benchmark/training/checkpoints.py",
        'self.module.load_state_dict(_under("module/", tensors))',
        '_under("module/", tensors)',
        f"{COLLECT}::test_killed_in_the_third_round_the_same_command_gives_the_same_artifacts[fit]",
    ),
    Fault(
        "dagger: the newest episodes are dropped",
        "benchmark/stages/collect.py",
        "[max(0, len(before) + len(played) - params.most) :]",
        "[: max(0, params.most - len(played))]",
        f"{COLLECT}::test_the_oldest_are_dropped",
    ),
    Fault(
        "dagger: the last fit sees the demonstrations of the start",
        "benchmark/planning/recipes.py",
        "fitted = self._fitted(fitting, shown, embedded)",
        "fitted = self._fitted(fitting, self.demos, encoded.embedded)",
        f"{COLLECT}::test_rounds_come_before_the_fit_that_is_scored",
    ),
    Fault(
        "dagger: an expert with a memory is asked",
        "benchmark/planning/refusals.py",
        "issubclass(self.env, Simulator) and self.env.expert_of_any_state",
        "issubclass(self.env, Simulator)",
        f"{COLLECT}::test_an_expert_with_a_memory_cannot_label",
    ),
    Fault(
        "dagger: labels of several states are taken for a plan",
        "benchmark/planning/refusals.py",
        "if self.config.policy[policy.name].chunk != 1:",
        "if False:",
        f"{COLLECT}::test_labels_are_no_chunks",
    ),
    Fault(
        "dagger: seen and held out are swapped",
        "benchmark/results/generalisation.py",
        "Halves(of(0.0), of(1.0),",
        "Halves(of(1.0), of(0.0),",
        f"{TABLE}::test_both_kinds_have_their_own_mean_and_interval",
    ),
    Fault(
        "dagger: the comparison is on all episodes",
        "benchmark/report/tables/generalisation.py",
        "of.unseen.compare(",
        "view.compare(",
        f"{TABLE}::test_the_comparison_with_the_floor_is_on_held_out_episodes",
    ),
    Fault(
        "dagger: who is told in words collects without any",
        "benchmark/planning/refusals.py",
        'if "language" in policy.inputs:',
        "if False:",
        "stages/test_told.py::test_words_are_not_said_of_what_is_collected",
    ),
    Fault(
        "dagger: starts are those of demonstrations that were kept from the last fit",
        "benchmark/planning/refusals.py",
        'if self.config.rollout.starts == "demonstrations":',
        "if False:",
        "stages/test_collect.py::test_a_rollout_starts_where_no_round_changes_who_was_shown",
    ),
)
