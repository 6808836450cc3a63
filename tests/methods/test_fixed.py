"""The floor and the ceiling."""

from __future__ import annotations

import pytest
import torch
from torchvision.models import resnet18

from benchmark.contracts.presets import component_config
from benchmark.methods.random import Random, RandomViT
from benchmark.methods.state import State


def test_random_is_an_untrained_resnet(data):
    torch.manual_seed(0)
    encoder = Random(component_config(Random, "paper", "kitchen"), data).encoder.eval()
    assert sum(p.numel() for p in encoder.parameters()) == 11_176_512
    reference = resnet18()
    reference.fc = torch.nn.Identity()
    reference.load_state_dict(encoder.trunk.state_dict())
    images = torch.rand(2, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = reference.eval()((images - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(encoder(images), expected, rtol=1e-4, atol=1e-5)


def test_random_depends_on_the_seed(data):
    config = component_config(Random, "smoke", "kitchen")
    images, features = torch.rand(1, 3, 32, 32), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        features.append(Random(config, data).encoder.eval()(images))
    assert torch.equal(features[0], features[1])
    assert not torch.allclose(features[0], features[2])


@pytest.mark.parametrize(("preset", "dim"), [("smoke", 24), ("quick", 48), ("paper", 768)])
def test_random_vision_transformer(preset, dim, data):
    assert RandomViT(component_config(RandomViT, preset, "kitchen"), data).encoder.dim == dim


def test_state_is_passed_on_and_marked_as_privileged(data):
    assert State.privileged
    encoder = State(component_config(State, "quick", "kitchen"), data).encoder
    states = torch.randn(7, 5)
    assert encoder.reads == "state"
    assert encoder.dim == 5
    assert torch.equal(encoder(states), states)
