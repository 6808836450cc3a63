"""Which parts of an encoder learn with the policy, and that the others stay as they are."""

from __future__ import annotations

import pytest
import torch

from benchmark.contracts.specs import PolicySpec
from benchmark.core.errors import BenchmarkError
from benchmark.models.agent import Agent
from benchmark.models.encoders import build_backbone
from benchmark.policies.mlp import MLP
from benchmark.training.joint import JointModel, encoder_groups


def model(rates: tuple[tuple[str, float], ...]) -> JointModel:
    torch.manual_seed(0)
    encoder = build_backbone("resnet18", 8, 32)
    agent = Agent(MLP(MLP.Config(hidden=8), PolicySpec(encoder.dim, 2)), encoder)
    return JointModel(agent, rates, "fp32", "pooled", torch.zeros(4, 2))


def test_fixed_positions_of_a_vision_transformer_stay_fixed() -> None:
    """Sines and cosines (MAE): a network's fixed parts are not trainable because a policy learns with it."""
    encoder = build_backbone("vit_tiny", 8, 32)
    (group,) = encoder_groups(encoder, [("*", 0.1)])
    assert not encoder.vit.pos_embed.requires_grad
    assert id(encoder.vit.pos_embed) not in {id(parameter) for parameter in group.params}
    assert group.lr_scale == 0.1


def test_a_parameter_belongs_to_the_first_pattern_it_matches() -> None:
    encoder = build_backbone("resnet18", 8, 32)
    last, rest = encoder_groups(encoder, [("trunk.layer4.*", 0.5), ("trunk.layer1.*", 0.0), ("trunk.*", 0.1)])
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    assert {names[id(p)].split(".")[1] for p in last.params} == {"layer4"}
    assert {names[id(p)].split(".")[1] for p in rest.params} == {"conv1", "bn1", "layer2", "layer3"}
    assert not any(p.requires_grad for name, p in encoder.named_parameters() if name.startswith("trunk.layer1."))


def test_frozen_parts_hash_the_same_running_statistics_included() -> None:
    joint = model((("trunk.layer4.*", 1.0),)).train()
    before = {name: tensor.clone() for name, tensor in joint.encoder.state_dict().items()}
    optimizer = torch.optim.SGD([p for group in joint.groups() for p in group.params], lr=0.1)
    for _ in range(2):
        joint._observe(torch.randint(0, 255, (4, 1, 32, 32, 3), dtype=torch.uint8), torch.arange(4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {name for name, tensor in joint.encoder.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("trunk.layer4.")}


def test_a_pattern_that_names_nothing_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match=r"'trunk.layer5.\*' names no parameter that could be trained"):
        model((("trunk.layer5.*", 1.0), ("*", 0.1)))
