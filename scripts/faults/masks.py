"""Faults of masks."""

from faults.fault import Fault

CHUNKS = "data/test_chunks.py"
WINDOWS = "data/test_windows.py"
HEADS = "policies/test_heads.py"
PARTS = "policies/test_policy_parts.py"
MASKS = "policies/test_masks.py"
PROMISES = "conformance/test_conformance.py"

FAULTS = (
    Fault(
        "masks: the mean counts padding",
        "policies/_shared/parts.py",
        "(values * valid[..., None]).sum() / (valid.sum() * values.shape[-1])",
        "values.mean()",
        f"{PARTS}::test_masked_mean_equals_the_mean_of_what_is_valid",
    ),
    *(
        Fault(
            f"masks: {name} learns from padding",
            f"policies/{name}.py",
            before,
            before.replace("batch.valid", "torch.ones_like(batch.valid)"),
            test,
        )
        for name, before, test in (
            ("mlp", "(predicted - batch.actions) ** 2, batch.valid)", f"{HEADS}::test_padded_actions_do_not_count[mlp]"),
            (
                "act",
                "(predicted - batch.actions).abs() * batch.valid[..., None]",
                f"{HEADS}::test_padded_actions_do_not_count[act]",
            ),
            ("diffusion", "(predicted - noise) ** 2, batch.valid)", f"{HEADS}::test_padded_actions_do_not_count[diffusion]"),
            ("flow", "(actions - noise)) ** 2, batch.valid)", f"{HEADS}::test_padded_actions_do_not_count[flow]"),
            (
                "bet",
                "- actions) ** 2, batch.valid)",
                f"{MASKS}::test_offsets_learn_from_actions_that_exist_and_from_no_others[1-bet]",
            ),
            (
                "vqbet",
                "- actions).abs(), batch.valid)",
                f"{MASKS}::test_offsets_learn_from_actions_that_exist_and_from_no_others[1-vqbet]",
            ),
        )
    ),
    *(
        Fault(
            f"masks: the class of a chunk is told by its padding in {name}",
            f"policies/{name}.py",
            "actions = repeated(batch)",
            "actions = batch.actions",
            f"{PROMISES}::test_promise[{name}-policy_ignores_padding]",
        )
        for name in ("bet", "vqbet")
    ),
    Fault(
        "masks: an action that exists is taken for padding",
        "policies/_shared/parts.py",
        "batch.valid.sum(1, keepdim=True) - 1)",
        "batch.valid.sum(1, keepdim=True) - 2)",
        f"{MASKS}::test_what_looks_at_whole_chunks_sees_the_last_action_repeated",
    ),
    Fault(
        "masks: the promise of padding is always kept",
        "benchmark/conformance/policies.py",
        "same = torch.allclose(one, other, rtol=PADDING)",
        "same = True",
        f"{PROMISES}::test_a_policy_that_learns_from_padding_is_told",
    ),
    Fault(
        "masks: the style of act attends to padding",
        "policies/act.py",
        "layer(x, self.style_positions, padding)",
        "layer(x, self.style_positions)",
        f"{HEADS}::test_padded_actions_do_not_count[act]",
    ),
    Fault(
        "masks: one padded action counts as valid",
        "benchmark/data/chunks.py",
        "valid=ahead <= last,",
        "valid=ahead <= last + 1,",
        f"{CHUNKS}::test_gather_equals_a_loop",
    ),
    Fault(
        "masks: chunks start one step late",
        "benchmark/data/chunks.py",
        "first), row + self._ahead",
        "first), row + self._ahead + 1",
        f"{CHUNKS}::test_gather_equals_a_loop",
    ),
    Fault(
        "masks: histories reach into the episode before",
        "benchmark/data/chunks.py",
        "torch.maximum(row - self._past, first)",
        "(row - self._past).clamp(min=0)",
        f"{CHUNKS}::test_gather_equals_a_loop",
    ),
    Fault(
        "masks: windows cross into the next episode",
        "benchmark/data/windows.py",
        "np.arange(demos.starts[e], demos.ends[e] - span + 1)",
        "np.arange(demos.starts[e], min(demos.ends[e], demos.ends[-1] - span + 1))",
        f"{WINDOWS}::test_every_window_comes_once_an_epoch_and_none_crosses_an_episode",
    ),
)
