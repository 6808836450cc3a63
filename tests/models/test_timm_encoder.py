"""Networks of timm's as backbones that methods train."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmark.contracts.data import DataSpec
from benchmark.contracts.method import MethodConfig
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.methods.mae import MAE
from benchmark.methods.random import Random
from benchmark.models.encoders import ConvEncoder, build_backbone
from benchmark.models.features import why_no_features


@pytest.mark.parametrize(
    ("name", "patches"),
    [("test_resnet", (4, 96)), ("test_convnext", (4, 64)), ("test_vit", (16, 64))],
)
def test_maps_and_tokens_of_any_network_are_features(name, patches):
    torch.manual_seed(0)
    encoder = build_backbone(name, 8, 71 if "vit" in name else 64)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    features = encoder.eval().features(images, encoder.feature_names)
    assert {name: tuple(tensor.shape[1:]) for name, tensor in features.items()} == encoder.feature_shapes(64)
    assert features["patch"].shape == (2, *patches)
    assert features["pooled"].shape == (2, encoder.dim)
    assert torch.equal(features["pooled"], encoder.pooled(images))
    assert torch.equal(features["patch"], encoder.patch(images))
    encoder.train().pooled(images).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters() if parameter.requires_grad)


def test_a_map_whose_channels_are_last_is_read_as_one():
    """Of Swin: the mean of the patch tokens is what it pools."""
    encoder = build_backbone("swin_tiny_patch4_window7_224", 8, 64).eval()
    with torch.no_grad():
        features = encoder.features(torch.rand(1, 3, 64, 64), ["pooled", "patch", "layer4"])
    assert torch.allclose(features["patch"].mean(1), features["pooled"], atol=1e-5)
    assert features["layer4"].shape == (1, 768, 2, 2)


def test_the_default_is_the_network_it_was():
    assert isinstance(build_backbone("resnet18", 8, 64), ConvEncoder)
    assert MethodConfig().backbone == "resnet18"


def test_unknown_backbones_name_the_nearest():
    with pytest.raises(UnknownName, match="did you mean convnext_atto"):
        MethodConfig(backbone="convnext_atoo")
    with pytest.raises(UnknownName, match="vit_tiny"):
        MAE.Config(backbone="test_vit")  # it masks patches of a transformer that is ours
    with pytest.raises(BenchmarkError, match="init=imagenet needs backbone=resnet18"):
        MethodConfig(backbone="resnet34", init="imagenet")


def test_a_resnet_so_narrow_that_its_convolutions_break_is_refused():
    """Below 8 channels the gradient of a strided 1 x 1 convolution breaks the heap, on processors without AVX-512."""
    with pytest.raises(BenchmarkError, match="width must be at least 8, not 4"):
        MethodConfig(width=4)
    assert MethodConfig(width=8).width == 8
    assert MAE.Config(width=4).width == 4, "of a head of a transformer"


def test_frames_that_are_too_small_are_refused_in_the_plan():
    data = DataSpec("fake", ("front",), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)
    assert why_no_features(Random, Random.Config(backbone="test_resnet"), data, "pooled") is None
    small = replace(data, resolution=8)
    reason = why_no_features(Random, Random.Config(backbone="beit_base_patch16_224"), small, "pooled")
    assert reason == "beit_base_patch16_224 needs images of at least 16 pixels, not 8"
