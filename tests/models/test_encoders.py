"""Encoders: the networks of the literature, their preprocessing and their features."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18

from benchmark.core.errors import UnknownName
from benchmark.models.encoders import ConvEncoder, build_backbone
from benchmark.models.images import IMAGENET_MEAN, IMAGENET_STD
from benchmark.models.resnet import ResNet18

BACKBONES = ("resnet18", "vit_tiny", "vit_small", "vit_base")


@pytest.fixture
def frames():
    return torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_resnet_is_torchvisions():
    reference, ours = resnet18(), ResNet18()
    missing, unexpected = ours.load_state_dict(reference.state_dict(), strict=False)
    assert missing == []
    assert unexpected == ["fc.weight", "fc.bias"]
    assert sum(p.numel() for p in ours.parameters()) == 11_176_512
    reference.fc = torch.nn.Identity()
    x = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    for training in (False, True):
        expected = reference.train(training)(x)
        torch.testing.assert_close(ours.train(training)(x).mean((2, 3)), expected, rtol=1e-5, atol=1e-5)


def test_resnet_starts_like_torchvisions():
    """The same distribution of every tensor: no zeroed norms, no other gain."""
    torch.manual_seed(0)
    reference, ours = resnet18().state_dict(), ResNet18().state_dict()
    for name, tensor in ours.items():
        expected = reference[name].float()
        assert tensor.float().mean() == pytest.approx(expected.mean().item(), abs=0.01)
        if tensor.ndim > 1:
            assert tensor.std() == pytest.approx(expected.std().item(), rel=0.05)


def test_blocks_can_start_as_their_shortcuts_like_torchvisions():
    """`zero_init_residual`: the same tensors are zero, and a block passes on what its shortcut says."""
    encoder = build_backbone("resnet18", 64, 64, zero_residuals=True).eval()

    def zero_gains(network):
        return {name for name, tensor in network.named_parameters() if name.endswith("weight") and not tensor.any()}

    zero = zero_gains(resnet18(zero_init_residual=True))
    assert zero_gains(encoder.trunk) == zero
    assert len(zero) == 8
    x = torch.rand(2, 64, 8, 8)
    assert torch.equal(encoder.trunk.layer1(x), x)
    assert not torch.equal(build_backbone("resnet18", 64, 64).eval().trunk.layer1(x), x)


@pytest.mark.parametrize(("name", "width", "dim"), [("resnet18", 64, 512), ("resnet18", 16, 128), ("vit_tiny", 64, 192)])
def test_dimensions(name, width, dim, frames):
    encoder = build_backbone(name, width, 64).eval()
    assert encoder.dim == encoder.patch_dim == dim
    assert encoder.pooled(frames).shape == (3, dim)
    tokens = encoder.patch(frames)
    assert tokens.shape[::2] == (3, dim)
    assert (tokens.shape[1] ** 0.5).is_integer()


@pytest.mark.parametrize("name", BACKBONES)
def test_evaluation_is_deterministic_and_leaves_no_trace(name, frames):
    encoder = build_backbone(name, 8, 64).eval()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    assert torch.equal(encoder(frames), encoder(frames))
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize("name", BACKBONES)
def test_uint8_and_float_agree(name, frames):
    encoder = build_backbone(name, 8, 64).eval()
    assert torch.equal(encoder.pooled(frames), encoder.pooled(frames.float() / 255))
    assert torch.equal(encoder.patch(frames), encoder.patch(frames.float() / 255))


def test_frames_are_normalised_as_for_imagenet(frames):
    encoder = build_backbone("resnet18", 8, 64)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    expected = ((frames.permute(0, 2, 3, 1) / 255.0 - mean) / std).permute(0, 3, 1, 2)
    torch.testing.assert_close(encoder.prepare(frames), expected)


def test_patches_of_a_map_are_row_major_and_average_to_the_pooled_feature(frames):
    encoder = build_backbone("resnet18", 8, 64).eval()
    tokens, grid = encoder.patch(frames), encoder.feature_map(frames)
    assert torch.equal(tokens[:, 1], grid[:, :, 0, 1])
    torch.testing.assert_close(tokens.mean(1), encoder.pooled(frames))


def test_frames_of_another_size_reach_a_vision_transformer_resized():
    encoder = build_backbone("vit_tiny", 8, 64).eval()
    flat = torch.full((1, 3, 100, 80), 0.5)
    torch.testing.assert_close(encoder(flat), encoder(flat[..., :64, :64]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("resolution", "tokens"), [(64, 64), (100, 144), (128, 64), (224, 196)])
def test_vision_transformers_keep_enough_patches(resolution, tokens):
    encoder = build_backbone("vit_tiny", 8, resolution).eval()
    assert encoder.patch(torch.rand(1, 3, resolution, resolution)).shape[1] == tokens


def test_features_survive_bf16(frames):
    encoder = build_backbone("resnet18", 8, 64).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder.pooled(frames).dtype == torch.float32


def test_unknown_backbones_get_a_suggestion():
    with pytest.raises(UnknownName, match=r"did you mean .*resnet18"):
        build_backbone("resnet81", 64, 96)


def test_the_work_of_a_resnet18_is_that_of_the_literature():
    """1.81 G multiply-adds without the classifier at 224 pixels (He et al. 2016: 1.8), each of them two operations."""
    with FlopCounterMode(display=False) as counter:
        build_backbone("resnet18", 64, 224).eval()(torch.zeros(1, 3, 224, 224))
    assert counter.get_total_flops() / 2 == pytest.approx(1.81e9, rel=0.01)


@pytest.mark.parametrize("size", [None, 32])
def test_preparing_frames_is_the_same_arithmetic_in_place_and_leaves_them_alone(size):
    frames = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    encoder = ConvEncoder(ResNet18(8), size=size)
    floats = frames.float() / 255
    resized = floats if size is None else F.interpolate(floats, (size, size), mode="bicubic", antialias=True)
    expected = (resized - encoder.mean) / encoder.std
    for given in (frames, floats):
        before = given.clone()
        assert torch.equal(encoder.prepare(given), expected)
        assert torch.equal(given, before)


def test_reduced_precision_gives_finite_gradients_where_one_pixel_is_left():
    """Frames of 16 pixels leave one pixel before the last stage, whose bf16 weight gradient is garbage on some processors."""
    torch.manual_seed(0)
    encoder = build_backbone("resnet18", 32, 16)
    images = torch.randint(0, 256, (12, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for _ in range(20):
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = encoder(images).square().mean()
        freed = [torch.full_like(p, torch.nan) for p in encoder.parameters() for _ in range(3)]
        del freed  # what uninitialised memory may hold
        loss.backward()
        assert all(bool(p.grad.isfinite().all()) for p in encoder.parameters() if p.grad is not None)
