"""Faults of training."""

from faults.fault import Fault

ACCOUNTS = "stages/test_accounts.py"
TOKENIZE = "stages/test_tokenize.py"
LOOP = "training/test_loop.py"
PARTS = "policies/test_policy_parts.py"
WAITING = "training/test_waiting.py"
COMPILED = "stages/test_compiled_pretraining.py"

FAULTS = (
    Fault(
        "training: the fitted tokenizer is not taken over",
        "benchmark/stages/load/tokenizer.py",
        "policy.tokenizer.load_state_dict(load_file(artifact.folder / TOKENIZER))",
        "load_file(artifact.folder / TOKENIZER)",
        f"{TOKENIZE}::test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit[bet]",
    ),
    Fault(
        "training: there is no warm-up",
        "benchmark/training/optimizers.py",
        "if step < warm:",
        "if False:",
        f"{LOOP}::test_the_schedule_warms_up_from_above_zero_and_ends_at_zero",
    ),
    Fault(
        "training: the schedule is computed and not used",
        "benchmark/training/loop.py",
        "        rate = set_learning_rates(optimizer, groups, config, step, steps)\n",
        "        rate = config.lr\n",
        f"{LOOP}::test_the_learning_rate_of_each_step_is_the_schedules",
    ),
    Fault(
        "training: after_step is not called",
        "benchmark/training/loop.py",
        "        trainable.after_step(step, steps)\n",
        "",
        f"{LOOP}::test_each_step_is_taken_once_with_its_number_and_its_own_noise",
    ),
    Fault(
        "training: after_step is not called in joint training",
        "benchmark/training/joint.py",
        "self.agent.policy.after_step(step, steps)",
        "pass",
        f"{ACCOUNTS}::test_frames_that_a_finetuned_encoder_sees_with_its_policy_count",
    ),
    Fault(
        "training: the momentum of a target is inverted",
        "benchmark/models/ema.py",
        "torch._foreach_mul_(targets, momentum)",
        "torch._foreach_mul_(targets, 1 - momentum)",
        "models/test_ema.py::test_update_is_the_published_average",
    ),
    Fault(
        "training: gradients are not clipped",
        "benchmark/training/accelerator.py",
        "clip_grads_with_norm_(params, self.clip, norm)",
        "clip_grads_with_norm_(params, float('inf'), norm)",
        f"{LOOP}::test_groups_are_clipped_separately",
    ),
    Fault(
        "training: a resumed run repeats a step",
        "benchmark/training/checkpoints.py",
        "return step, Trained(",
        "return step - 1, Trained(",
        f"{LOOP}::test_a_resumed_run_takes_up_at_the_next_step",
    ),
    Fault(
        "training: a resumed run forgets the optimiser",
        "benchmark/training/checkpoints.py",
        'load_state_dict({"state": own,',
        'load_state_dict({"state": {},',
        f"{LOOP}::test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one[11-adamw]",
    ),
    Fault(
        "training: biases and norms are decayed",
        "benchmark/training/optimizers.py",
        "weight_decay = config.weight_decay if decay else 0.0",
        "weight_decay = config.weight_decay",
        f"{LOOP}::test_groups_keep_their_own_rate_and_schedule",
    ),
    Fault(
        "training: rows that ask for one block get that of another",
        "policies/_shared/parts.py",
        "torch.mm(rows, matrix.T, out=group)",
        "torch.mm(rows, weight[0].T, out=group)",
        f"{PARTS}::test_blocks_computed_alone_are_those_of_the_whole_layer_and_so_are_their_gradients",
    ),
    Fault(
        "training: blocks come back in the order they were multiplied in",
        "policies/_shared/parts.py",
        "torch.empty_like(outputs).index_copy(0, order, outputs)",
        "outputs",
        f"{PARTS}::test_blocks_computed_alone_are_those_of_the_whole_layer_and_so_are_their_gradients",
    ),
    Fault(
        "training: rows of a rollout are multiplied together",
        "policies/vqbet.py",
        "self.config.temperature), hidden, block_outputs)",
        "self.config.temperature), hidden, block_outputs_alone)",
        "policies/test_vqbet.py::test_rows_of_a_rollout_are_not_multiplied_in_groups",
    ),
    Fault(
        "training: the last position sees the first alone",
        "benchmark/models/transformer.py",
        "is_causal=self.causal and not last",
        "is_causal=self.causal",
        "models/test_transformer.py::test_the_last_position_alone_is_that_of_all_and_so_are_its_gradients",
    ),
    Fault(
        "training: attention to one position is left out with its dropout",
        "benchmark/models/transformer.py",
        "if t == 1 and not dropout:",
        "if t == 1:",
        "models/test_transformer.py::test_dropout_of_the_attention_to_one_position_is_not_left_out",
    ),
    Fault(
        "training: a loss picks its pairs with a mask, and waits for the device to count them",
        "benchmark/methods/tcn.py",
        "    return values.masked_fill(~pairs, 0).sum() / (len(values) * pairs.sum())",
        "    return values[:, pairs].mean()",
        f"{WAITING}::test_no_step_waits_for_the_device[tcn_sv]",
    ),
    Fault(
        "training: frequencies are weighed at a list of places, which is sent to the device",
        "benchmark/models/sigreg.py",
        "weight[:: KNOTS - 1] /= 2",
        "weight[[0, -1]] /= 2",
        f"{WAITING}::test_no_step_waits_for_the_device[lejepa]",
    ),
    Fault(
        "training: TCN counts pairs of anchors that have no negative",
        "benchmark/methods/tcn.py",
        "positive & rivaled)",
        "positive)",
        "methods/test_tcn.py::test_anchors_without_negatives_are_left_out_without_nan",
    ),
    Fault(
        "training: a step does not compute its products in its precision",
        "benchmark/training/accelerator.py",
        "        with products(self.precision):",
        "        with products('fp32'):",
        "training/test_steps.py::test_products_are_rounded_until_the_gradients_are_there",
    ),
    Fault(
        "training: products stay rounded after a step",
        "benchmark/models/precision.py",
        "        torch.set_float32_matmul_precision(before)\n",
        "        pass\n",
        "models/test_precision.py::test_products_are_rounded_within_and_as_before_afterwards",
    ),
    Fault(
        "training: the loss is not compiled",
        "benchmark/stages/pretrain.py",
        "            compiled=self.compiled,\n",
        "",
        f"{COMPILED}::test_a_compiled_loss_learns_the_same[dynamo-DynaMo]",
    ),
    Fault(
        "training: checkpoints are written on a GPU however long that takes",
        "benchmark/training/loop.py",
        "if step == steps or pace.due():",
        "if True:",
        f"{LOOP}::test_checkpoints_take_no_more_than_a_share_of_the_time_where_steps_are_fast",
    ),
    Fault(
        "training: a spared checkpoint is the last one",
        "benchmark/training/loop.py",
        "if step == steps or pace.due():",
        "if pace.due():",
        f"{LOOP}::test_checkpoints_take_no_more_than_a_share_of_the_time_where_steps_are_fast",
    ),
    Fault(
        "training: a checkpoint that took long puts the next off as long as it likes",
        "benchmark/training/loop.py",
        "min((self._ended - self._began) / self._share, LONGEST)",
        "(self._ended - self._began) / self._share",
        f"{LOOP}::test_a_checkpoint_that_took_long_does_not_put_the_next_one_off_for_hours",
    ),
    Fault(
        "training: checkpoints are spared on processors",
        "benchmark/training/loop.py",
        'return torch.device(device).type == "cuda" and processes() == 1',
        "return processes() == 1",
        f"{LOOP}::test_checkpoints_are_spared_on_gpus_and_nowhere_else",
    ),
    Fault(
        "training: whether the loss is compiled is on no key",
        "benchmark/planning/recipes.py",
        "settings.precision, settings.compile)",
        "settings.precision)",
        f"{COMPILED}::test_a_compiled_loss_learns_the_same[dynamo-DynaMo]",
    ),
    Fault(
        "training: blocks that are read ahead come one late",
        "benchmark/stages/embed.py",
        "            yield rows.start, seen\n",
        "            yield rows.start + size, seen\n",
        "stages/test_embed_blocks.py::test_reading_ahead_changes_nothing[3]",
    ),
    Fault(
        "training: nothing is read ahead",
        "benchmark/stages/embed.py",
        "    if not ahead:",
        "    if True:",
        "stages/test_embed_blocks.py::test_the_next_block_is_read_while_one_is_worked_on",
    ),
)
