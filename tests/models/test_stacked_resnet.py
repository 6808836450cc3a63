"""Early fusion: what the ResNet of gc_bc is shown."""

from __future__ import annotations

import torch

from benchmark.models.stacked_resnet import LAYERS, StackedResNet


def images(seed: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_parameters_as_published() -> None:
    """The seed of the Open X work counts 21.30M: a ResNet-34 without classifier and with five more input channels."""
    with torch.device("meta"):
        network = StackedResNet(LAYERS["resnet34"], 64)
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_284_672 + 5 * 7 * 7 * 64 == 21_300_352


@torch.no_grad()
def test_observation_goal_and_places_are_stacked_from_minus_one_to_one() -> None:
    encoder, shown = StackedResNet(LAYERS["resnet18"], 8).eval(), []
    encoder.network.conv1.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    seen, goal = images(0), images(1)
    towards = encoder.towards(seen, encoder.read_goal(goal), ("pooled",))["pooled"]
    (stacked,) = shown
    assert stacked.shape == (2, 8, 32, 32)
    torch.testing.assert_close(stacked[:, :3], seen / 127.5 - 1)
    torch.testing.assert_close(stacked[:, 3:6], goal / 127.5 - 1)
    place = torch.arange(32) / 31 * 2 - 1
    torch.testing.assert_close(stacked[0, 6], place[:, None].expand(32, 32))
    torch.testing.assert_close(stacked[1, 7], place[None].expand(32, 32))
    assert not torch.allclose(towards, encoder.pooled(seen))
    torch.testing.assert_close(encoder.towards(seen, encoder.read_goal(seen), ("pooled",))["pooled"], encoder.pooled(seen))
