"""Faults of seeds."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
TOKENIZE = "stages/test_tokenize.py"
ROLLOUTS = "simulation/test_rollout.py"
AGENT = "simulation/test_agent.py"
LOOP = "training/test_loop.py"
CHUNKS = "data/test_chunks.py"
WINDOWS = "data/test_windows.py"
HEADS = "policies/test_heads.py"
PARTS = "policies/test_policy_parts.py"

FAULTS = (
    Fault(
        "seeds: evaluation draws from the range of training",
        "benchmark/core/seeds.py",
        'seed("evaluation of tables", *path) | EVALUATION_BIT',
        'seed("evaluation of tables", *path)',
        "core/test_seeds.py::test_training_and_evaluation_can_never_meet",
    ),
    Fault(
        "seeds: the simulator's depends on the slot",
        "benchmark/simulation/rollout.py",
        "seeds = {slot: self._seeds[running.episode]",
        "seeds = {slot: self._seeds[slot]",
        f"{ROLLOUTS}::test_records_are_those_of_one_simulator_whatever_the_number_of_workers",
    ),
    Fault(
        "seeds: the controller's depends on the slot",
        "benchmark/simulation/rollout.py",
        "self._controller.begin(slot, self._seeds[running.episode])",
        "self._controller.begin(slot, self._seeds[slot])",
        f"{ROLLOUTS}::test_slots_run_their_own_episodes_in_order_whatever_crashes",
    ),
    Fault(
        "seeds: chunks come in one order for all",
        "benchmark/data/chunks.py",
        'torch_rng("chunks", self.seed, epoch)',
        'torch_rng("chunks", epoch)',
        f"{CHUNKS}::test_seeds_and_epochs_shuffle_differently",
    ),
    Fault(
        "seeds: windows come in one order for all",
        "benchmark/data/windows.py",
        'numpy_rng("windows", seed, epoch)',
        'numpy_rng("windows", epoch)',
        f"{WINDOWS}::test_batches_are_a_function_of_seed_and_step",
    ),
    Fault(
        "seeds: each row draws normal noise from another's generator",
        "policies/_shared/parts.py",
        "torch.randn(shape, generator=r, device=r.device) for r in rngs]",
        "torch.randn(shape, generator=r, device=r.device) for r in rngs[::-1]]",
        f"{PARTS}::test_a_row_of_noise_belongs_to_its_generator",
    ),
    Fault(
        "seeds: each row draws uniform noise from another's generator",
        "policies/_shared/parts.py",
        "torch.rand(shape, generator=r, device=r.device) for r in rngs]",
        "torch.rand(shape, generator=r, device=r.device) for r in rngs[::-1]]",
        f"{HEADS}::test_act_depends_on_the_row_and_its_generator_only[vqbet]",
    ),
    Fault(
        "seeds: rows that do not plan use up their noise",
        "benchmark/simulation/agent.py",
        "[rng if row else self._unused for rng, row",
        "[rng for rng, row",
        f"{AGENT}::test_an_episode_does_not_depend_on_slot_neighbours_or_history",
    ),
    Fault(
        "seeds: encoders start alike under all",
        "benchmark/stages/pretrain.py",
        'seed("initialise", params.seed)',
        'seed("initialise")',
        f"{ACCOUNTS}::test_training_seeds_start_from_different_weights",
    ),
    Fault(
        "seeds: policies start alike under all",
        "benchmark/stages/fit.py",
        'seed("initialise policy", params.seed)',
        'seed("initialise policy")',
        f"{ACCOUNTS}::test_training_seeds_start_from_different_weights",
    ),
    Fault(
        "seeds: tokenizers start alike under all",
        "benchmark/training/tokenizer.py",
        'seed_of("initialise tokenizer", seed)',
        'seed_of("initialise tokenizer")',
        f"{TOKENIZE}::test_tokenizers_of_two_seeds_start_apart",
    ),
    Fault(
        "seeds: tokenizers draw alike under all",
        "benchmark/stages/tokenize.py",
        "        seed=params.seed,\n",
        "        seed=0,\n",
        f"{TOKENIZE}::test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit[bet]",
    ),
    Fault(
        "seeds: all steps draw the same noise",
        "benchmark/training/loop.py",
        'seed_of("step", seed, step)',
        'seed_of("step", seed)',
        f"{LOOP}::test_each_step_is_taken_once_with_its_number_and_its_own_noise",
    ),
    Fault(
        "seeds: dropout and a loss draw the same numbers",
        "benchmark/training/loop.py",
        'seed_of("dropout", seed, step, rank())',
        'seed_of("step", seed, step)',
        f"{LOOP}::test_each_step_is_taken_once_with_its_number_and_its_own_noise",
    ),
    Fault(
        "seeds: a row's untrained control is trained",
        "benchmark/planning/recipes.py",
        "        if is_pretrained(method, cell.variant):\n",
        "        if method.learns:\n",
        "stages/test_untrained.py::test_it_is_the_start_of_the_row_and_of_no_other_seed[byol]",
    ),
    Fault(
        "seeds: a row's untrained control is told as a trained row",
        "benchmark/results/gather.py",
        "    if is_pretrained(method, cell.variant) or",
        "    if method.learns or",
        "stages/test_untrained.py::test_it_is_the_start_of_the_row_and_of_no_other_seed[byol]",
    ),
)
