"""EfficientNet-Lite0: a file in the layout of its package gives what timm's network gives, filled by names."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import timm
import torch

from benchmark.conformance.methods import PROMISES
from benchmark.core.errors import Corrupt, Unavailable
from benchmark.methods.efficientnet_lite0 import EfficientNetLite0
from benchmark.models import weights
from tests.methods.networks import assert_features, assert_same, build, noisy, normalised, publish

REAL = weights.path_of(EfficientNetLite0.weights)
GREY = ((0.5,) * 3, (0.5,) * 3)
PLACES = [(stage, block) for stage, blocks in enumerate((1, 2, 2, 3, 3, 4, 1)) for block in range(blocks)]  # Tan & Le 2019
PARTS = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl", "_bn0": "bn1", "_bn1": "bn2"}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}  # which expands nothing
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


def names(official: str) -> str:
    """Of a tensor in the file -> in timm."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", official):
        stage, block = PLACES[int(match[1])]
        part = FIRST[match[2]] if stage == 0 else {**PARTS, "_bn2": "bn3"}[match[2]]
        return f"blocks.{stage}.{block}.{part}.{match[3]}"
    part, _, kind = official.partition(".")
    return f"{OUTSIDE[part]}.{kind}"


def official_names() -> list[str]:
    """In the order of the file."""
    bn = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    listed = ["_conv_stem.weight", *(f"_bn0.{kind}" for kind in bn)]
    for block in range(16):
        for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
            if block or conv != "_expand_conv":
                listed += [f"_blocks.{block}.{conv}.weight", *(f"_blocks.{block}.{norm}.{kind}" for kind in bn)]
    return [*listed, "_conv_head.weight", *(f"_bn1.{kind}" for kind in bn), "_fc.weight", "_fc.bias"]


def reference(content: dict[str, torch.Tensor]) -> torch.nn.Module:
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict({names(name): tensor for name, tensor in content.items()})
    return network


@pytest.fixture
def content(tmp_path, monkeypatch):
    """A file of random tensors, published."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(EfficientNetLite0, "weights", replace(EfficientNetLite0.weights, checksum=""))
    tensors = noisy(timm.create_model("tf_efficientnet_lite0")).state_dict()
    content = {name: tensors[names(name)] for name in official_names()}
    publish(EfficientNetLite0, content)
    return content


def assert_is_the_reference(encoder, network, frames):
    with torch.no_grad():
        x = normalised(frames, *GREY)
        grid = network.forward_features(x)
        assert_features(encoder, frames, grid.flatten(2).transpose(1, 2), grid.mean((2, 3)))
        x = network.bn1(network.conv_stem(x))
        found = encoder.features(frames, encoder.feature_names)
        for stage, layer in enumerate((None, "layer1", "layer2", None, "layer3", None, "layer4")):
            x = network.blocks[stage](x)
            if layer:
                assert_same(found[layer], x)


def test_features_are_those_of_timms_network_filled_by_names(content, data, frames):
    encoder = build(EfficientNetLite0, data)
    assert_is_the_reference(encoder, reference(content), frames)
    assert sum(p.numel() for p in encoder.parameters()) == 3_371_008
    assert encoder.feature_shapes(96) == {
        "pooled": (1280,),
        "patch": (49, 1280),
        "layer1": (24, 56, 56),
        "layer2": (40, 28, 28),
        "layer3": (112, 14, 14),
        "layer4": (320, 7, 7),
    }


def test_only_what_is_named_is_given_in_that_order(content, data, frames):
    encoder = build(EfficientNetLite0, data)
    found = encoder.features(frames, ["layer4", "pooled"])
    assert list(found) == ["layer4", "pooled"]
    assert torch.equal(found["pooled"], encoder.pooled(frames))


def test_the_file_of_another_network_is_refused(content, data):
    del content["_blocks.3._bn1.weight"]
    publish(EfficientNetLite0, content)
    with pytest.raises(Corrupt, match="efficientnet_lite0: it holds 244 tensors, not 245"):
        build(EfficientNetLite0, data)


def test_without_its_file_it_never_runs(tmp_path, monkeypatch, data):
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    with pytest.raises(Unavailable, match="weights fetch efficientnet_lite0"):
        EfficientNetLite0(EfficientNetLite0.Config(), data)
    assert EfficientNetLite0(EfficientNetLite0.Config(pretrained=False), data).encoder.dim == 1280


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_promises(content, promise):
    promise(EfficientNetLite0)


@pytest.mark.skipif(not REAL.is_file(), reason=str(weights.unavailable_reason(EfficientNetLite0.weights)))
def test_the_published_file(data, frames):
    content = torch.load(REAL, weights_only=True)
    assert list(content) == official_names()
    assert_is_the_reference(build(EfficientNetLite0, data), reference(content), frames)
