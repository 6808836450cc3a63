from __future__ import annotations

import pytest
import torch

from benchmark import registry
from benchmark.contracts.presets import component_config
from benchmark.policies._shared.parts import (
    block_outputs,
    block_outputs_alone,
    categorical,
    condition,
    focal_loss,
    k_means,
    masked_mean,
    nearest,
    rows_normal,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_categorical_draws_with_the_softmax_probabilities():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    uniform = torch.rand(40_000, generator=rng())
    drawn = categorical(logits.expand(40_000, 4), uniform)
    frequency = torch.bincount(drawn, minlength=4) / 40_000
    torch.testing.assert_close(frequency, torch.softmax(logits, 0), atol=0.01, rtol=0)
    cold = torch.bincount(categorical(logits.expand(40_000, 4), uniform, 0.5), minlength=4) / 40_000
    torch.testing.assert_close(cold, torch.softmax(2 * logits, 0), atol=0.01, rtol=0)


def test_categorical_never_leaves_the_classes():
    logits = torch.randn(1000, 3, generator=rng())
    for u in (0.0, 1 - 2**-24):
        drawn = categorical(logits, torch.full((1000,), u))
        assert drawn.min() >= 0
        assert drawn.max() <= 2
    assert categorical(torch.tensor([[-1e9, 0.0, -1e9]]), torch.zeros(1)).item() == 1


def test_focal_loss_is_cross_entropy_at_gamma_zero_and_ignores_what_is_known():
    logits, target = torch.randn(50, 5, generator=rng()), torch.randint(5, (50,), generator=rng())
    torch.testing.assert_close(focal_loss(logits, target, 0.0), torch.nn.functional.cross_entropy(logits, target))
    p = torch.softmax(logits, -1)[torch.arange(50), target]
    torch.testing.assert_close(focal_loss(logits, target, 2.0), (-((1 - p) ** 2) * p.log()).mean())


def test_k_means_finds_separated_clusters():
    truth = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = truth.repeat_interleave(50, 0) + 0.1 * torch.randn(200, 2, generator=rng())
    for seed in range(5):
        centres = k_means(points, 4, rng(seed))
        assert sorted(nearest(truth, centres).tolist()) == [0, 1, 2, 3]
        assert torch.cdist(truth, centres).amin(1).max() < 0.1


def test_k_means_survives_fewer_distinct_points_than_centres():
    centres = k_means(torch.tensor([[1.0], [1.0], [2.0]]), 5, rng())
    assert set(centres[:, 0].tolist()) == {1.0, 2.0}


def test_condition_puts_the_goal_beside_every_observation():
    features, goal = torch.randn(2, 3, 4), torch.randn(2, 5)
    fused = condition(features, goal)
    assert fused.shape == (2, 3, 9)
    assert torch.equal(fused[:, 2, :4], features[:, 2])
    assert torch.equal(fused[1, 0, 4:], goal[1])
    assert condition(features, None) is features


def test_masked_mean_equals_the_mean_of_what_is_valid():
    values, valid = torch.randn(6, 4, 2), torch.rand(6, 4) > 0.4
    torch.testing.assert_close(masked_mean(values, valid), values[valid].mean())


def test_a_row_of_noise_belongs_to_its_generator():
    one = rows_normal([rng(1), rng(2)], (3, 2), torch.empty(0))
    other = rows_normal([rng(2), rng(9)], (3, 2), torch.empty(0))
    assert torch.equal(one[1], other[0])


@pytest.mark.parametrize("preset", ["quick", "standard"])
@pytest.mark.parametrize("name", ["act", "bet", "diffusion", "flow", "knn", "mlp", "vqbet"])
def test_in_the_kitchen_all_heads_see_a_past_and_plan_at_every_step(name: str, preset: str) -> None:
    config = component_config(registry.policies().get(name), preset, "kitchen")
    assert (config.history, config.stride, config.chunk, config.execute) == (4, 2, 8, 1)


@pytest.mark.parametrize("preset", ["quick", "standard"])
@pytest.mark.parametrize("name", ["act", "bet", "diffusion", "flow", "knn", "mlp", "vqbet"])
def test_in_push_t_all_heads_carry_a_plan_out_before_they_plan_again(name: str, preset: str) -> None:
    config = component_config(registry.policies().get(name), preset, "pusht")
    assert (config.history, config.chunk, config.execute) == (1, 8, 8)


@pytest.mark.parametrize("env", ["block_push", "libero_goal"])
@pytest.mark.parametrize("preset", ["quick", "standard"])
@pytest.mark.parametrize("name", ["act", "bet", "diffusion", "flow", "gc_bc", "knn", "mlp", "vqbet"])
def test_where_the_scene_tells_all_heads_see_no_past_and_plan_at_every_second_step(name: str, preset: str, env: str) -> None:
    config = component_config(registry.policies().get(name), preset, env)
    assert (config.history, config.chunk, config.execute) == (1, 4, 2)


def test_blocks_computed_alone_are_those_of_the_whole_layer_and_so_are_their_gradients():
    """In float64, where rounding hides nothing. Nobody asks for block 3: its gradient is zero, not whatever was there."""
    x, layer = torch.randn(7, 5, dtype=torch.float64, generator=rng()), torch.nn.Linear(5, 4 * 3).double()
    blocks = torch.tensor([[0, 2], [2, 1], [0, 0], [1, 2], [2, 2], [1, 0], [0, 1]])
    weights = torch.randn(7, 2, 3, dtype=torch.float64, generator=rng(1))

    def results(choose):
        given = x.clone().requires_grad_()
        outputs = choose(given, layer, blocks, 3)
        return outputs, *torch.autograd.grad((outputs * weights).sum(), [given, layer.weight, layer.bias])

    for ours, theirs in zip(results(block_outputs_alone), results(block_outputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert not results(block_outputs_alone)[2][9:].any()
