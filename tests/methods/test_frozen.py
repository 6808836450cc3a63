"""Published encoders: files in the official layouts, of random networks, give the features of an independent construction."""

from dataclasses import replace
from functools import partial

import pytest
import timm
import torch
from torchvision.models import resnet18
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from benchmark import registry
from benchmark.cli.weights import by_name
from benchmark.conformance.methods import PROMISES
from benchmark.core.errors import BenchmarkError, Corrupt, Unavailable
from benchmark.methods import frozen
from benchmark.methods._shared.published import Frozen
from benchmark.methods.frozen import MVP, R3M, VC1, DINOv2, DINOv3, ImageNet, MAEImageNet, MVPSmall, SigLIP2, Theia
from benchmark.models import weights
from benchmark.planning.variants import with_variant
from tests.methods.networks import (
    NORM_OF_IMAGENET,
    assert_features,
    assert_same,
    build,
    by_hand,
    cubic_weights,
    noisy,
    normalised,
    publish,
    random_vit,
)

ROWS = (ImageNet, R3M, VC1, MVP, MVPSmall, MAEImageNet, DINOv2, DINOv3, SigLIP2, Theia)
RESNETS = (ImageNet, R3M)


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    """An empty weights folder, no checksums (the files here are made up), and transformers of two blocks."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    for cls in ROWS:
        small = {} if cls in RESNETS else {"depth": 2}
        network = partial(cls.weights.network, **small)
        monkeypatch.setattr(cls, "weights", replace(cls.weights, checksum="", network=network))


# -------------------------------------------------------------------------------------------------------------- the table


def test_every_row_is_registered_and_says_where_it_comes_from():
    found = {cls for cls in vars(frozen).values() if isinstance(cls, type) and issubclass(cls, Frozen)} - {Frozen}
    assert found == set(ROWS)
    for cls in ROWS:
        assert registry.methods().get(cls.name) is cls
        assert by_name()[cls.weights.name] is cls.weights
        assert not cls.learns
        assert cls.source == cls.weights.source
        assert cls.weights.licence
        assert all(url.startswith("https://") for url in cls.weights.origin.addresses)


@pytest.mark.parametrize(
    ("cls", "size", "parameters"),
    [
        (ImageNet, 224, 11_176_512),  # He et al., without the classifier
        (R3M, 224, 11_176_512),
        (VC1, 224, 85_798_656),  # ViT-B/16 without a classifier: 86 567 656 less 769 000
        (MVP, 224, 85_798_656),
        (MAEImageNet, 224, 85_798_656),
        (Theia, 224, 85_798_656),
        (MVPSmall, 224, 21_665_664),  # ViT-S/16: 22 050 664 less 385 000
        (DINOv2, 518, 22_056_192),  # 22 056 576 as published, less the mask token
        (DINOv3, 224, 21_586_944),
        (SigLIP2, 224, 92_884_224),
    ],
)
def test_networks_have_the_published_sizes(cls, size, parameters, monkeypatch):
    monkeypatch.undo()
    with torch.device("meta"):
        network = cls.weights.network(size)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("cls", ROWS)
def test_without_its_file_a_row_says_so_and_never_runs_on_random_weights(cls, data):
    assert f"python -m benchmark weights fetch {cls.name}" in cls.unavailable_reason(cls.Config())
    with pytest.raises(Unavailable, match=f"weights fetch {cls.name}"):
        cls(cls.Config(), data)
    assert cls.build_encoder(cls.Config(size=112), data).dim in (384, 512, 768)


def test_sizes_that_patches_do_not_divide_are_refused_before_any_work():
    for cls in ROWS:
        assert cls.Config(**cls.presets["quick"]).size == 112
    with pytest.raises(BenchmarkError, match="size=100 cannot be cut into patches of 16"):
        VC1.Config(size=100)
    with pytest.raises(BenchmarkError, match="size=96 cannot be cut into patches of 14"):
        DINOv2.Config(size=96)
    assert ImageNet.Config(size=100).size == 100


# ---------------------------------------------------------------------------------------------------------------- ResNets


def official_r3m(network):
    """What R3M's trainer stores: a DataParallel module with a language model, and a step."""
    convnet = {f"module.convnet.{k}": v for k, v in network.state_dict().items() if not k.startswith("fc.")}
    language = {"module.lang_enc.model.embeddings.weight": torch.zeros(3, 3), "module.lang_rew.pred.0.weight": torch.zeros(2)}
    return {"r3m": {**convnet, **language}, "global_step": 1_000_000}


@pytest.mark.parametrize("counters", [False, True])
@pytest.mark.parametrize("cls", RESNETS)
def test_resnets_are_torchvisions(cls, counters, data, frames):
    network = noisy(resnet18())
    content = dict(network.state_dict()) if cls is ImageNet else official_r3m(network)
    tensors = content if cls is ImageNet else content["r3m"]
    for key in [key for key in tensors if key.endswith("num_batches_tracked") and not counters]:
        del tensors[key]
    publish(cls, content)
    encoder = build(cls, data)
    x = normalised(frames, *NORM_OF_IMAGENET)
    network.fc = torch.nn.Identity()
    assert_same(encoder.pooled(frames), network(x))
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    grid = network.layer4(network.layer3(network.layer2(network.layer1(x))))
    assert encoder.patch(frames).shape == (2, 49, 512)
    assert_same(encoder.patch(frames)[:, 8], grid[:, :, 1, 1])


def test_frames_of_another_size_are_resized_like_torchvision_does(data):
    network = noisy(resnet18())
    publish(ImageNet, network.state_dict())
    encoder = build(ImageNet, data)
    small = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    resized = tv.resize(small.float() / 255, [224, 224], InterpolationMode.BICUBIC, antialias=True)
    assert_same(encoder.pooled(small), encoder.pooled(resized))


# ------------------------------------------------------------------------------------------------------ vision transformers


def official_mae(tensors):
    """What the MAE family stores: the encoder under timm's names, and what else the autoencoder had."""
    width = tensors["cls_token"].shape[-1]
    decoder = {"decoder_embed.weight": torch.zeros(8, width), "decoder_blocks.0.norm1.weight": torch.ones(8)}
    return {"model": {**tensors, **decoder, "decoder_pos_embed": torch.zeros(1, 197, 8), "mask_token": torch.zeros(1, 1, 8)}}


@pytest.mark.parametrize("cls", [MVP, MAEImageNet])
def test_masked_autoencoders_give_the_class_token(cls, data, frames):
    tensors = random_vit("vit_base_patch16_224")
    publish(cls, official_mae(tensors))
    expected = by_hand(tensors, normalised(frames, *NORM_OF_IMAGENET), heads=12)
    assert_features(build(cls, data), frames, expected[:, 1:], expected[:, 0])


def test_vc1_in_full(data, frames, monkeypatch):
    """All twelve blocks of the ViT-B, once."""
    full = partial(VC1.weights.network.func, *VC1.weights.network.args)
    monkeypatch.setattr(VC1, "weights", replace(VC1.weights, network=full))
    tensors = random_vit("vit_base_patch16_224", depth=12)
    publish(VC1, official_mae(tensors))
    expected = by_hand(tensors, normalised(frames, *NORM_OF_IMAGENET), heads=12)
    assert_features(build(VC1, data), frames, expected[:, 1:], expected[:, 0])


def test_the_small_mvp_has_twelve_heads(data, frames):
    """With timm's six heads the same tensors load and compute something else."""
    tensors = random_vit("vit_small_patch16_224")
    publish(MVPSmall, official_mae(tensors))
    features = build(MVPSmall, data).pooled(frames)
    x = normalised(frames, *NORM_OF_IMAGENET)
    assert_same(features, by_hand(tensors, x, heads=12)[:, 0])
    trap = by_hand(tensors, x, heads=6)[:, 0]
    assert (features - trap).abs().max() > 0.01 * trap.abs().max()
    assert_same(timm_features("vit_small_patch16_224", tensors, x)[:, 0], trap)


def timm_features(name, tensors, x, **options):
    network = timm.create_model(name, num_classes=0, depth=2, **options).eval()
    network.load_state_dict(tensors)
    return network.forward_features(x)


def test_dinov2_has_patches_of_14_and_resized_positions(data, frames):
    """The file holds 37 x 37 positions and a mask token; 224 pixels are 16 x 16 patches."""
    tensors = random_vit("vit_small_patch14_dinov2")
    assert tensors["pos_embed"].shape == (1, 1370, 384)
    publish(DINOv2, {**tensors, "mask_token": torch.zeros(1, 384)})
    positions = tensors["pos_embed"]
    along = cubic_weights(37, 16, 37 / 16.1)
    grid = torch.einsum("ia,jb,abd->ijd", along, along, positions[0, 1:].unflatten(0, (37, 37)).double())
    tensors["pos_embed"] = torch.cat([positions[:, :1], grid.flatten(0, 1)[None].float()], 1)
    expected = by_hand(tensors, normalised(frames, *NORM_OF_IMAGENET), heads=6)
    assert_features(build(DINOv2, data), frames, expected[:, 1:], expected[:, 0])


def test_dinov3_gives_the_class_token_and_no_registers(data, frames):
    tensors = random_vit("vit_small_patch16_dinov3", img_size=256)
    publish(DINOv3, tensors)
    expected = timm_features("vit_small_patch16_dinov3", tensors, normalised(frames, *NORM_OF_IMAGENET), img_size=224)
    assert expected.shape[1] == 1 + 4 + 196
    assert_features(build(DINOv3, data), frames, expected[:, 5:], expected[:, 0])


def test_siglip2_pools_by_attention_and_centres_on_grey(data, frames):
    tensors = random_vit("vit_base_patch16_siglip_224")
    publish(SigLIP2, tensors)
    network = timm.create_model("vit_base_patch16_siglip_224", num_classes=0, depth=2).eval()
    network.load_state_dict(tensors)
    x = normalised(frames, (0.5,) * 3, (0.5,) * 3)
    assert_features(build(SigLIP2, data), frames, network.forward_features(x), network(x))


def official_theia(tensors):
    """A ViTModel of transformers inside Theia's module, with the translators it was distilled through."""
    names = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    }
    for block in range(2):
        for kind in ("weight", "bias"):
            names |= {
                f"blocks.{block}.{ours}.{kind}": f"encoder.layer.{block}.{theirs}.{kind}"
                for ours, theirs in {
                    "norm1": "layernorm_before",
                    "norm2": "layernorm_after",
                    "attn.proj": "attention.output.dense",
                    "mlp.fc1": "intermediate.dense",
                    "mlp.fc2": "output.dense",
                }.items()
            }
    content = {f"backbone.model.{theirs}": tensors[ours] for ours, theirs in names.items()}
    for block in range(2):
        for kind in ("weight", "bias"):
            parts = tensors[f"blocks.{block}.attn.qkv.{kind}"].chunk(3)
            for part, tensor in zip(("query", "key", "value"), parts, strict=True):
                content[f"backbone.model.encoder.layer.{block}.attention.attention.{part}.{kind}"] = tensor.clone()
    return {**content, "translator.heads.dinov2.weight": torch.zeros(2)}


def test_theia_gives_the_mean_of_its_normed_patches(data, frames):
    tensors = random_vit("vit_base_patch16_224")
    publish(Theia, official_theia(tensors))
    expected = by_hand(tensors, normalised(frames, *NORM_OF_IMAGENET), heads=12, eps=1e-12)[:, 1:]
    assert_features(build(Theia, data), frames, expected, expected.mean(1))


def test_a_part_of_an_attention_matrix_that_is_absent_is_named(data):
    content = official_theia(random_vit("vit_base_patch16_224"))
    del content["backbone.model.encoder.layer.1.attention.attention.key.weight"]
    publish(Theia, content)
    with pytest.raises(Corrupt, match=r"blocks\.1\.attn\.qkv\.weight is missing"):
        build(Theia, data)


# ------------------------------------------------------------------------------------------------------------- as a method


@pytest.mark.parametrize("cls", ROWS)
def test_untrained_is_the_same_network_without_the_file_another_for_each_seed(cls, data):
    trained, untrained = cls.Config(size=112), with_variant(cls, cls.Config(size=112), "untrained", "")
    assert cls.unavailable_reason(trained)
    assert cls.unavailable_reason(untrained) is None
    assert not cls.seeded(trained)
    assert cls.seeded(untrained)
    assert list(cls.files(trained)) == [cls.weights.file]
    assert cls.files(untrained) == {}
    encoders = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        method = cls(untrained, data)
        assert not any(p.requires_grad for p in method.parameters())
        encoders.append(method.encoder)
    same, again, other = (torch.cat([p.flatten() for p in encoder.parameters()]) for encoder in encoders)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    with torch.device("meta"):
        published = cls.build_encoder(trained, data)
    assert {k: v.shape for k, v in published.state_dict().items()} == {k: v.shape for k, v in encoders[0].state_dict().items()}
    assert encoders[0].size == 112


def test_untrained_transformers_have_timms_initialisation(data):
    torch.manual_seed(7)
    reference = timm.create_model("vit_base_patch16_224", num_classes=0, depth=2)
    torch.manual_seed(7)
    method = VC1(VC1.Config(pretrained=False), data)
    assert all(torch.equal(a, b) for a, b in zip(method.encoder.parameters(), reference.parameters(), strict=True))


def test_the_file_of_another_row_is_refused(data):
    publish(VC1, official_mae(random_vit("vit_small_patch16_224")))
    with pytest.raises(Corrupt, match=r"vc1: vc1_vitb\.pth holds the weights of another network: cls_token has shape"):
        build(VC1, data)
    publish(R3M, {"model": {}})
    with pytest.raises(Corrupt, match=r"r3m: model\.pt has no entry 'r3m'"):
        build(R3M, data)


def test_a_stored_encoder_comes_back_without_the_published_file(data, frames):
    publish(MVPSmall, official_mae(random_vit("vit_small_patch16_224")))
    method = MVPSmall(MVPSmall.Config(size=112), data)
    assert method.groups()[0].params == []
    stored = method.encoder.eval().state_dict()
    weights.path_of(MVPSmall.weights).unlink()
    encoder = MVPSmall.build_encoder(MVPSmall.Config(size=112), data).eval()
    encoder.load_state_dict(stored)
    assert torch.equal(encoder.pooled(frames), method.encoder.pooled(frames))
    assert encoder.patch(frames).shape == (2, 49, 384)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("cls", [ImageNet, DINOv3])
def test_promises(cls, promise):
    publish(cls, noisy(resnet18()).state_dict() if cls is ImageNet else random_vit("vit_small_patch16_dinov3"))
    promise(cls)
