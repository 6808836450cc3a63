"""What encoders make of images, against finite differences and a case that can be seen by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder, as_float
from benchmark.contracts.presets import component_config
from benchmark.core.seeds import torch_rng
from benchmark.stages.visualize import activity, components, nearest, saliency


class Curved(Encoder):
    """Two numbers per image, one of them from its left half only; four patches of three."""

    dim, patch_dim = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, 4, dtype=torch.float64, generator=torch_rng("curved")))

    def pooled(self, images: Tensor) -> Tensor:
        weighed = as_float(images).double() * self.weight
        return torch.stack([weighed[..., :2].sum((1, 2, 3)).tanh(), weighed[..., :2].square().sum((1, 2, 3))], 1)

    def patch(self, images: Tensor) -> Tensor:
        return as_float(images).unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)).flatten(2).transpose(1, 2)


def _images(count: int, *purpose: str) -> Tensor:
    return torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8, generator=torch_rng("images", *purpose))


def test_saliency_is_the_slope_in_units_of_the_spread():
    encoder, frames, usual = Curved().requires_grad_(False), _images(2, "asked"), _images(50, "usual")
    known = encoder.pooled(usual).numpy()

    def away(images: Tensor) -> np.ndarray:
        gaps = (encoder.pooled(images).numpy() - known.mean(0)) / known.std(0, ddof=1)
        return (gaps**2).sum(1)

    found = saliency(encoder, frames, usual).numpy()
    assert (found[..., 2:] == 0).all(), "the right half is never looked at"
    for row, column in ((0, 0), (3, 1)):
        slopes = np.zeros(2)
        for colour in range(3):
            step = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
            step[:, colour, row, column] = 1e-5
            slopes += np.abs(away(frames.double() / 255 + step) - away(frames.double() / 255 - step)) / 2e-5
        np.testing.assert_allclose(found[:, row, column], slopes, rtol=1e-3)


def test_saliency_asks_nothing_of_the_parameters_and_leaves_no_gradient():
    encoder = Curved()
    saliency(encoder, _images(2), _images(20))
    assert encoder.weight.grad is None


@pytest.mark.parametrize("name", registry.methods().names())
def test_every_encoder_that_sees_says_where_it_looks(name: str):
    cls = registry.methods().get(name)
    config = component_config(cls, "smoke", "fake")
    if cls.unavailable_reason(config) or cls.privileged:
        pytest.skip("no weights here, or nothing to look at")
    spec = DataSpec("fake", ("front", "side"), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)
    torch.manual_seed(0)
    encoder = cls.build_encoder(config, spec).eval().requires_grad_(False)
    frames = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch_rng("seen"))
    heat = saliency(encoder, frames[:2], frames)
    assert heat.shape == (2, 32, 32)
    assert (heat.flatten(1).amax(1) > 0).all()


def test_components_are_the_directions_of_most_variance():
    """Images that are bright or dark, and a little red or not: the first component is brightness, the second redness."""
    rng = torch_rng("components")
    bright, red = torch.rand(200, 1, 4, 4, generator=rng), torch.rand(200, 1, 4, 4, generator=rng)
    usual = bright * torch.tensor([1.0, 1.0, 1.0]).view(3, 1, 1) + 0.3 * red * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    asked = torch.zeros(1, 3, 4, 4)
    asked[..., 2:, 2:] = 1.0
    found = components(Curved(), asked, usual)
    assert found.shape == (1, 2, 2, 3)
    corner, others = found[0, 1, 1, 0], found[0, :, :, 0].flatten()[:3]
    assert (others == others[0]).all()
    assert abs(float(corner - others[0])) == 1, "from one end of what is usual to the other"


def test_the_nearest_frame_is_looked_for_in_units_of_each_feature():
    features = np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 1.0], [1000.0, 1.0], [400.0, 1.0]])
    assert nearest(features, np.arange(4), np.array([4])).tolist() == [2]


def test_adapters_are_hot_where_their_vectors_are_long():
    """By hand: a softmax of lengths at temperature 0.1, from the coolest place of an image to its hottest."""

    class Two(Encoder):
        dim = 1

        @property
        def feature_names(self) -> tuple[str, ...]:
            return ("pooled", "adapter1", "adapter2")

        def pooled(self, images: Tensor) -> Tensor:
            raise NotImplementedError

        def features(self, images: Tensor, names: Any) -> dict[str, Tensor]:
            x = as_float(images)
            given = {"adapter1": x, "adapter2": x.mean((2, 3), keepdim=True).expand(-1, -1, 2, 2)}
            return {name: given[name] for name in names}

    frames = _images(3, "strip")
    found = activity(Two(), frames).numpy()
    assert found.shape == (2, 3, 4, 4)
    lengths = np.sqrt((frames.double().numpy() / 255) ** 2).reshape(3, 3, 16)
    shares = np.exp(np.sqrt((lengths**2).sum(1)) / 0.1)
    shares /= shares.sum(1, keepdims=True)
    expected = (shares - shares.min(1, keepdims=True)) / np.ptp(shares, axis=1, keepdims=True)
    np.testing.assert_allclose(found[0].reshape(3, 16), expected, atol=1e-5)
    assert (found[1] == 0).all(), "the same everywhere: nowhere is hotter"
