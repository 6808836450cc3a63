"""Faults of what policies are told, in training and when they act, and of what is made before that."""

from faults.fault import Fault

TOLD, CHUNKS, JOINT, VQBET = "stages/test_told.py", "data/test_chunks.py", "training/test_goals.py", "policies/test_vqbet.py"
WORDS = f"{TOLD}::test_a_rollout_is_told_the_words_of_held_out_demonstrations_of_its_task"
RECORDING = f"{TOLD}::test_a_recording_is_scored_with_its_own_words_and_new_noise_at_every_step"
IMAGES = f"{TOLD}::test_images_are_of_a_held_out_demonstration_with_the_settings_of_the_recipe"
ORDERS = f"{VQBET}::test_each_epoch_of_a_tokenizer_has_an_order_of_its_own"
CHECKPOINT = f"{TOLD}::test_what_collects_and_what_is_shown_act_with_the_checkpoint_of_the_recipe"
GOALS, OPEN_LOOP, VISUALIZE = (f"benchmark/stages/{name}.py" for name in ("goals", "open_loop", "visualize"))

FAULTS = (
    Fault(
        "policies: noise of validation goes on from check to check",
        "benchmark/stages/fit.py",
        'torch_rng("validation", params.seed, device=device)',
        'vars(agent).setdefault("noise", torch_rng("validation", params.seed, device=device))',
        f"{TOLD}::test_each_check_of_a_fit_draws_the_same_noise",
    ),
    Fault(
        "policies: goals in hindsight are last ones for the stage",
        GOALS,
        "        return kind\n",
        '        return "last"\n',
        f"{TOLD}::test_goals_in_hindsight_reach_the_training",
    ),
    Fault(
        "policies: goals in hindsight are last ones for the sampler",
        "benchmark/data/chunks.py",
        'self._hindsight = self._observed and goals == "future"',
        "self._hindsight = False",
        f"{TOLD}::test_goals_in_hindsight_reach_the_training",
    ),
    Fault(
        "policies: goals in hindsight are alike under all seeds",
        "benchmark/data/chunks.py",
        'torch_rng("hindsight", self.seed, step)',
        'torch_rng("hindsight", step)',
        f"{CHUNKS}::test_hindsight_goals_are_of_the_seed",
    ),
    Fault(
        "policies: a rollout is told the words of another demonstration",
        GOALS,
        "torch.from_numpy(training_language(demos)[_held_out(context, demos)])",
        "torch.from_numpy(training_language(demos))",
        f"{WORDS}[language]",
    ),
    Fault(
        "policies: a rollout has the goal of another demonstration",
        GOALS,
        "demos.ends[_held_out(context, demos)] - 1",
        "demos.ends - 1",
        f"{TOLD}::test_the_goal_of_a_rollout_is_normalised_as_features_are",
    ),
    Fault(
        "policies: a rollout always has the goal of the first demonstration of its task",
        GOALS,
        "fitting[seed % len(fitting)]",
        "fitting[0]",
        f"{WORDS}[goal]",
    ),
    Fault(
        "policies: a rollout has the goal of any task",
        GOALS,
        "if task in (None, name)",
        "if True",
        f"{WORDS}[goal]",
    ),
    Fault(
        "policies: the goal of a rollout is raw",
        GOALS,
        "agent.observe(features, observations.proprio)",
        "features",
        f"{TOLD}::test_the_goal_of_a_rollout_is_normalised_as_features_are",
    ),
    Fault(
        "policies: the goal of a rollout is encoded in full precision",
        GOALS,
        'encode(encoder, observations, kind, context.facts["precision"])',
        'encode(encoder, observations, kind, "fp32")',
        f"{TOLD}::test_a_goal_is_encoded_in_the_precision_of_the_rollout",
    ),
    Fault(
        "policies: noise on a recording is that of the place in its batch",
        OPEN_LOOP,
        "range(len(actions))[part]",
        "range(len(actions[part]))",
        RECORDING,
    ),
    Fault(
        "policies: a recording is scored with the words of the first one",
        OPEN_LOOP,
        "training_language(demos)[[episode]]",
        "training_language(demos)[[0]]",
        RECORDING,
    ),
    Fault(
        "policies: a rollout passes no words",
        "benchmark/stages/rollout.py",
        "evaluation_language(context) if agent.policy.spec.language_dim else None",
        "None",
        f"{WORDS}[language]",
    ),
    Fault(
        "policies: the collector's policy acts by default settings",
        "benchmark/stages/collect.py",
        "load_acting(policy, params.acting,",
        "load_acting(policy, {},",
        f"{TOLD}::test_the_policy_collects_with_the_settings_of_the_recipe",
    ),
    Fault(
        "policies: labels of a collector are beyond the bounds",
        "benchmark/simulation/collector.py",
        "np.clip(slots.labels[slot], self._low, self._high)",
        "slots.labels[slot].copy()",
        "simulation/test_collector.py::test_labels_are_within_the_bounds_of_actions",
    ),
    Fault(
        "policies: images are of default settings",
        VISUALIZE,
        "params.acting",
        "{}",
        IMAGES,
    ),
    Fault(
        "policies: images are of a training demonstration",
        VISUALIZE,
        "demos.split(policy.params(FitParams).unseen)[1][0]",
        "demos.split(policy.params(FitParams).unseen)[0][0]",
        IMAGES,
    ),
    Fault(
        "policies: an encoder that learns with one looks in full precision",
        "benchmark/training/joint.py",
        "autocast(frames.device, self.precision)",
        'autocast(frames.device, "fp32")',
        f"{JOINT}::test_the_encoder_computes_in_its_own_precision[bf16]",
    ),
    Fault(
        "policies: an encoder that learns with one reads goals in full precision",
        "benchmark/training/joint.py",
        "autocast(goal.device, self.precision)",
        'autocast(goal.device, "fp32")',
        f"{JOINT}::test_the_encoder_computes_in_its_own_precision[bf16]",
    ),
    Fault(
        "policies: all epochs of a tokenizer have one order",
        "benchmark/training/tokenizer.py",
        'torch_rng("tokenize", self.seed, epoch)',
        'torch_rng("tokenize", self.seed)',
        ORDERS,
    ),
    Fault(
        "policies: all epochs are the first one",
        "benchmark/data/shuffle.py",
        "self._order(e)[",
        "self._order(0)[",
        ORDERS,
    ),
    Fault(
        "policies: dead codes collapse",
        "benchmark/policies/_shared/residual_vq.py",
        "alive = size[:, None] > 1e-3",
        "alive = size[:, None] >= 0",
        f"{VQBET}::test_a_code_without_members_keeps_its_place",
    ),
    Fault(
        "policies: a broken tokenizer is stored",
        "benchmark/stages/tokenize.py",
        "if not all(tensor.isfinite().all() for tensor in state.values()):",
        "if not state:",
        "stages/test_tokenize.py::test_a_tokenizer_with_a_number_that_is_none_is_not_stored",
    ),
    Fault(
        "policies: check looks at the first episode only",
        "benchmark/conformance/policies.py",
        "for kept in (0, 3):",
        "for kept in (0,):",
        "conformance/test_conformance.py::test_a_policy_whose_rows_know_of_each_other_is_told",
    ),
    Fault(
        "policies: images are of the last checkpoint, whatever is asked for",
        VISUALIZE,
        "demos.spec, params.checkpoint,",
        'demos.spec, "last",',
        CHECKPOINT,
    ),
    Fault(
        "policies: rounds are played by the last checkpoint, whatever is asked for",
        "benchmark/stages/collect.py",
        "before.spec, params.checkpoint,",
        'before.spec, "last",',
        CHECKPOINT,
    ),
    Fault(
        "policies: an average counts as a second network",
        "benchmark/stages/fit.py",
        "if id(p) not in copies",
        "if True",
        "policies/test_heads.py::test_a_network_and_its_average_count_once[flow]",
    ),
    Fault(
        "policies: all frames of a demonstration are read at once",
        OPEN_LOOP,
        "torch.cat([look(part) for part in parts])",
        "torch.cat([encode(encoder, seen, context.params.features, precision) for seen in [demos.observations(part, "
        "encoder.reads, device) for part in parts]])",
        "stages/test_open_loop.py::test_frames_are_read_in_pieces",
    ),
)
