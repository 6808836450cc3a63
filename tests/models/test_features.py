"""Named feature maps of encoders, and what is made of them for policies."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torchvision.models import resnet18
from torchvision.models.feature_extraction import create_feature_extractor

from benchmark import registry
from benchmark.contracts.data import DataSpec, Observations
from benchmark.contracts.encoder import Encoder
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.models.encoders import ConvEncoder, ViTEncoder, build_backbone
from benchmark.models.features import encode, features_of, parts_of, why_no_features
from benchmark.models.resnet import ResNet18
from benchmark.models.timm_encoder import Network, build
from benchmark.planning.config.schema import EmbedConfig
from tests.stages.spies import Flat

STAGES = ("layer1", "layer2", "layer3", "layer4")


def images(n: int = 2, side: int = 64) -> Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_maps_of_a_resnet_are_torchvisions() -> None:
    torch.manual_seed(0)
    reference = resnet18().eval()
    encoder = ConvEncoder(ResNet18()).eval()
    encoder.trunk.load_state_dict(reference.state_dict(), strict=False)
    expected = create_feature_extractor(reference, list(STAGES))(encoder.prepare(images()))
    with torch.no_grad():
        maps = encoder.features(images(), STAGES)
    assert list(maps) == list(STAGES)
    for name in STAGES:
        torch.testing.assert_close(maps[name], expected[name], rtol=1e-4, atol=1e-4)
    assert encoder.feature_shapes(64) == {
        **{"pooled": (512,), "patch": (4, 512)},
        **{"layer1": (64, 16, 16), "layer2": (128, 8, 8), "layer3": (256, 4, 4), "layer4": (512, 2, 2)},
    }


@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_224", "vit_small_patch16_dinov3"])
def test_the_maps_of_a_vision_transformer_are_what_leaves_its_blocks(architecture: str) -> None:
    """Caught by a hook on the block, without class and register tokens, put back where the patches were."""
    torch.manual_seed(0)
    vit: Any = timm.create_model(architecture, num_classes=0, img_size=64)
    encoder = ViTEncoder(vit, size=64).eval()
    caught: dict[int, Tensor] = {}
    for index in (2, 5):
        vit.blocks[index].register_forward_hook(lambda _, __, output, index=index: caught.update({index: output}))
    with torch.no_grad():
        one = encoder.features(images(), ("block6", "block3", "pooled", "patch"))
    assert list(one) == ["block6", "block3", "pooled", "patch"]
    for index in (2, 5):
        tokens = caught[index][:, vit.num_prefix_tokens :]
        grid = one[f"block{index + 1}"]
        assert grid.shape == (2, vit.embed_dim, 4, 4)
        torch.testing.assert_close(grid[:, :, 1, 3], tokens[:, 1 * 4 + 3])
    with torch.no_grad():
        torch.testing.assert_close(one["pooled"], encoder.pooled(images()))
        torch.testing.assert_close(one["patch"], encoder.patch(images()))


@pytest.mark.parametrize("network", ["ours", "timm's"])
def test_a_layer_of_a_vision_transformer_has_its_class_token(network: str) -> None:
    """The first token that leaves the block, before four registers that are neither in the map nor the summary."""
    torch.manual_seed(0)
    vit: Any = timm.create_model("vit_small_patch16_dinov3", num_classes=0, img_size=64)
    encoder: Any = ViTEncoder(vit, size=64) if network == "ours" else build(Network("vit_small_patch16_dinov3"), 64, 64)
    caught: dict[int, Tensor] = {}
    blocks = encoder.eval().vit.blocks if network == "ours" else encoder.eval().network.blocks
    for index in (2, 5):
        blocks[index].register_forward_hook(lambda _, __, output, index=index: caught.update({index: output}))
    with torch.no_grad():
        layers = encoder.dense(images(), ("block6", "block3"))
        assert list(layers) == ["block6", "block3"]
        for index in (2, 5):
            layer = layers[f"block{index + 1}"]
            torch.testing.assert_close(layer.summary, caught[index][:, 0])
            torch.testing.assert_close(layer.map, encoder.features(images(), (f"block{index + 1}",))[f"block{index + 1}"])
            assert caught[index].shape[1] == 5 + 4 * 4


def test_a_layer_without_a_class_token_has_its_mean() -> None:
    encoder = build_backbone("resnet18", 8, 64).eval()
    assert encoder.map_names == STAGES
    assert Plain().map_names == ()
    with torch.no_grad():
        layers, maps = encoder.dense(images(), ("layer3", "layer1")), encoder.features(images(), ("layer3", "layer1"))
        for name, layer in layers.items():
            assert torch.equal(layer.map, maps[name])
            torch.testing.assert_close(layer.summary, maps[name].flatten(2).mean(2))


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny"])
def test_every_named_feature_is_the_same_alone_and_together(name: str) -> None:
    encoder = build_backbone(name, 8, 64).eval()
    with torch.no_grad():
        together = encoder.features(images(), encoder.feature_names)
        shapes = encoder.feature_shapes(64)
        for feature in encoder.feature_names:
            alone = encoder.features(images(), (feature,))
            torch.testing.assert_close(alone[feature], together[feature])
            assert together[feature].shape[1:] == shapes[feature]
        torch.testing.assert_close(together["pooled"], encoder.pooled(images()))
        torch.testing.assert_close(together["patch"], encoder.patch(images()))


class Plain(Encoder):
    """As short as an encoder can be."""

    dim = 3

    def pooled(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3))


def test_an_encoder_of_one_method_has_its_map() -> None:
    encoder = Plain().train()
    assert encoder.feature_names == ("pooled",)
    assert encoder.feature_shapes(16) == {"pooled": (3,)}
    assert encoder.training, "looking at its shapes changes nothing"
    assert torch.equal(encoder.features(images(), ("pooled",))["pooled"], encoder.pooled(images()))


@pytest.mark.parametrize(("name", "meant"), [("poled", "mean pooled"), ("layer5", "mean layer"), ("nothing_like_it", "Known:")])
def test_an_unknown_feature_is_refused_with_the_nearest(name: str, meant: str) -> None:
    encoder = build_backbone("resnet18", 8, 64)
    with pytest.raises(UnknownName, match=f"unknown feature of ConvEncoder '{name}'.*{meant}"):
        encode(encoder, Observations(images().permute(0, 2, 3, 1)[:, None]), name)


def test_views_and_features_stand_side_by_side() -> None:
    """By hand: each view by itself, each feature flattened, features in the order asked for."""
    encoder = build_backbone("resnet18", 8, 64).eval()
    frames = images(6).permute(0, 2, 3, 1).unflatten(0, (3, 2))
    features = encode(encoder, Observations(frames), "layer3+pooled")
    for n in range(3):
        views = [encoder.features(frames[n, v].permute(2, 0, 1)[None], ("layer3", "pooled")) for v in range(2)]
        by_hand = [view[name].flatten() for name in ("layer3", "pooled") for view in views]
        torch.testing.assert_close(features[n], torch.cat(by_hand), rtol=1e-4, atol=1e-4)
    assert not features.requires_grad
    assert features_of(encoder, Observations(frames)).requires_grad


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny"])
def test_features_in_reduced_precision_point_where_those_in_full_do(name: str) -> None:
    """The networks of `quick` before any training. What they give is float32 in either case."""
    torch.manual_seed(0)
    encoder = build_backbone(name, 16, 64)
    observations = Observations(frames=images(6).permute(0, 2, 3, 1)[:, None])
    full, half = (encode(encoder, observations, precision=precision) for precision in ("fp32", "bf16"))
    assert half.dtype == full.dtype == torch.float32
    assert not torch.equal(full, half)
    assert torch.cosine_similarity(full, half).min() >= 0.999
    small = Observations(frames=images(2, 32).permute(0, 2, 3, 1)[:, None])
    assert encode(Flat(), small, precision="bf16").dtype == torch.float32, "also of encoders that do not see to it"


def test_what_is_no_observation_gives_no_features() -> None:
    frames = images(2).permute(0, 2, 3, 1)[:, None]
    features = encode(Plain(), Observations(frames, valid=torch.tensor([True, False])))
    assert features.isnan().all(1).tolist() == [False, True]
    with pytest.raises(ValueError, match="reads frames, and the observations have none"):
        encode(Plain(), Observations(state=torch.zeros(1, 2)))


DATA = DataSpec("fake", ("front", "side"), 64, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)


@pytest.mark.parametrize("name", registry.methods().names())
def test_every_method_says_before_any_work_which_features_it_lacks(name: str) -> None:
    method = registry.methods().get(name)
    config = method.Config(**method.presets.get("smoke", {}))
    known = method.build_encoder(config, DATA).feature_names
    before = torch.get_rng_state()
    assert why_no_features(method, config, DATA, "+".join(known)) is None
    reason = why_no_features(method, config, DATA, "pooled+layer9")
    assert torch.equal(torch.get_rng_state(), before), "nothing is drawn"
    if method.privileged:
        assert reason is None, "whatever the other rows look at, the state is one vector"
    else:
        assert reason is not None
        assert "'layer9'" in reason


@pytest.mark.parametrize("feature", ["patch", "layer3"])
def test_a_grid_is_the_mean_of_what_lies_in_each_cell(feature: str) -> None:
    """Two by two of a four by four map, by hand; places stay where they were."""
    encoder = build_backbone("resnet18", 8, 128).eval()
    frames = images(3, 128).permute(0, 2, 3, 1)[:, None]
    whole = encode(encoder, Observations(frames=frames), feature)
    pooled = encode(encoder, Observations(frames=frames), f"{feature}@2")
    if feature == "patch":
        square = whole.view(3, 4, 4, 64)
        expected = square.reshape(3, 2, 2, 2, 2, 64).mean((2, 4)).reshape(3, -1)
    else:
        square = whole.view(3, 32, 8, 8)
        expected = square.reshape(3, 32, 2, 4, 2, 4).mean((3, 5)).reshape(3, -1)
    torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(encode(encoder, Observations(frames=frames), f"{feature}@2+pooled")[:, :-64], expected)


@pytest.mark.parametrize("kind", ["patch@", "patch@0", "patch@x", "pooled@2", "patch@2@2"])
def test_what_is_no_grid_is_refused_before_any_work(kind: str) -> None:
    with pytest.raises(BenchmarkError, match="patch@3"):
        EmbedConfig(kind)
    assert EmbedConfig("patch@3").features == "patch@3"
    with pytest.raises(BenchmarkError, match="patch@3"):
        encode(build_backbone("resnet18", 8, 64), Observations(frames=images().permute(0, 2, 3, 1)[:, None]), kind)


class Tokens(Flat):
    """`pooled` are two tokens."""

    tokens = 2


@pytest.mark.parametrize(
    ("encoder", "kind", "parts"),
    [
        (Tokens(), "pooled", (3, 2)),
        (build_backbone("resnet18", 8, 64), "pooled", (3, 1)),
        (build_backbone("resnet18", 8, 64), "patch", (3, 4)),
        (build_backbone("resnet18", 8, 64), "patch@3", (3, 9)),
        (build_backbone("resnet18", 8, 64), "layer4", (1, 1)),
        (build_backbone("resnet18", 8, 64), "pooled+patch", (1, 1)),
    ],
)
def test_what_features_are_made_of(encoder: Encoder, kind: str, parts: tuple[int, int]) -> None:
    """Of three views: as many vectors as `PolicySpec` says, where they lie one after the other."""
    assert parts_of(encoder, kind, 3, 64) == parts
