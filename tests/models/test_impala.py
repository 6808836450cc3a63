"""SpawnNet's networks: the sizes of the release, and what they compute, written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.impala import Fusion, Impala, side_of_map


def size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("taps", "with_depth", "adapters"),
    [
        ((384, 384, 384), 1_976_384, 73_920),  # DINO ViT-S/8
        ((768, 768, 768), 2_050_112, 147_648),  # MVP ViT-B/16
        ((512, 1024, 2048), 2_132_032, 229_568),  # R3M ResNet-50
    ],
)
def test_the_fused_network_has_the_parameters_of_the_release(taps: tuple[int, ...], with_depth: int, adapters: int) -> None:
    """1.976, 2.050 and 2.132 million with the depth channel, which the first convolution has 16 x 64 weights for."""
    with torch.device("meta"):
        assert size(Fusion(64, taps, inputs=4)) == with_depth
        assert size(Fusion(64, taps)) == with_depth - 16 * 64
        assert size(Fusion(64, taps).adapters) == adapters


def test_learning_from_scratch_has_the_parameters_of_the_release() -> None:
    with torch.device("meta"):
        assert size(Impala(128, inputs=4)) == 2_222_080
        assert size(Impala()) == 2_220_032


@pytest.mark.parametrize("width", [16, 32, 64])
def test_channels_can_be_chosen_for_as_many_parameters(width: int) -> None:
    with torch.device("meta"):
        wanted = size(Fusion(width, [384] * 3))
        chosen = Impala.channels_for(wanted)
        sizes = {channels: size(Impala(channels)) for channels in range(chosen - 1, chosen + 2)}
    assert min(sizes, key=lambda channels: abs(sizes[channels] - wanted)) == chosen
    assert abs(sizes[chosen] / wanted - 1) < 0.02


def test_an_image_of_224_pixels_has_a_last_map_of_7_by_7() -> None:
    with torch.device("meta"):
        maps = [torch.zeros(2, 384, 28, 28)] * 3
        fused = Fusion(64, [384] * 3)
        assert fused(torch.zeros(2, 3, 224, 224), fused.adapted(maps)).shape == (2, 128, 7, 7)
        assert Impala()(torch.zeros(2, 3, 224, 224)).shape == (2, 128, 7, 7)
        assert Impala(4)(torch.zeros(1, 3, 64, 64)).shape[-1] == side_of_map(64) == 2
    assert (side_of_map(224), side_of_map(112), side_of_map(96)) == (7, 4, 3)


def conv(x: Tensor, module: nn.Conv2d, **options: int) -> Tensor:
    return F.conv2d(x, module.weight, module.bias, **options)


def residual(x: Tensor, block: nn.Module) -> Tensor:
    a, b = block.children()
    assert isinstance(a, nn.Conv2d)
    assert isinstance(b, nn.Conv2d)
    return x + conv(conv(x.clamp(min=0), a, padding=1).clamp(min=0), b, padding=1)


def test_every_map_joins_its_stage() -> None:
    """Written out: the first map the finest stage; what an adapter makes comes after the stream's own channels."""
    torch.manual_seed(0)
    fused = Fusion(4, (5, 6, 7)).double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    maps = [torch.randn(2, channels, 8 >> i, 8 >> i, dtype=torch.float64) for i, channels in enumerate((5, 6, 7))]
    x = conv(images, fused.stem, stride=4)
    for stage, side in enumerate((8, 4, 2)):
        halving: nn.Module = fused.halvings[stage]
        first = next(iter(halving.children()))
        assert isinstance(first, nn.Conv2d)
        x = F.max_pool2d(conv(x, first, padding=1), 3, stride=2, padding=1)
        assert x.shape == (2, 4, side, side)
        adapter = fused.adapters[stage]
        adapted = torch.einsum("nchw,dc->ndhw", maps[stage], adapter.weight[:, :, 0, 0]) + adapter.bias[:, None, None]
        x = torch.cat([x, adapted.clamp(min=0)], 1)  # the grids are equal here: nothing is resized
        for block in fused.residuals[stage].children():
            x = residual(x, block)
        if stage < 2:
            x = conv(x, fused.narrow[stage])
    torch.testing.assert_close(fused(images, fused.adapted(maps)), x)


def test_maps_of_another_grid_are_resized() -> None:
    """A vision transformer has one grid at all depths: places keep where they are in the image."""
    fused = Fusion(1, (1, 1, 1))
    seen: list[Tensor] = []
    fused.residuals[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1.0
    with torch.no_grad():
        fused.adapters[0].weight.fill_(1.0)
        fused.adapters[0].bias.zero_()
        fused(torch.zeros(1, 3, 64, 64), fused.adapted([left] * 3))
    joined = seen[0][0, 1]
    assert joined.shape == (8, 8)
    assert joined[:, :3].min() == 1.0
    assert joined[:, 5:].max() == 0.0
