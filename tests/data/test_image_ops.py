"""Batched image operations against torchvision's on one image at a time."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from benchmark.data import image_ops as ops

B, N, H, W = 4, 2, 24, 24


@pytest.fixture
def images():
    """Random images, with greys, pure colours, black and white among the pixels."""
    x = torch.rand(B, N, 3, H, W, generator=torch.Generator().manual_seed(0))
    x[:, :, :, 0] = 0.4
    corners = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])
    x[:, :, :, 1, :8] = corners.T.float()
    return x


def compare(result, images, one):
    expected = torch.stack([torch.stack([one(frame, i) for frame in sample]) for i, sample in enumerate(images)])
    torch.testing.assert_close(result, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("operation", ["brightness", "contrast", "saturation"])
def test_blends(operation, images):
    factors = torch.tensor([0.0, 0.6, 1.0, 1.4])
    one = getattr(reference, f"adjust_{operation}")
    compare(getattr(ops, f"adjust_{operation}_")(images.clone(), factors), images, lambda x, i: one(x, factors[i].item()))


@pytest.mark.parametrize("shifts", [(-0.5, -0.1, 0.0, 0.05), (0.1, 0.25, 0.4, 0.5)])
def test_hue(shifts, images):
    result = ops.adjust_hue_(images.clone(), torch.tensor(shifts))
    compare(result, images, lambda x, i: reference.adjust_hue(x, shifts[i]))


def test_luma(images):
    compare(ops.luma(images), images, lambda x, i: reference.rgb_to_grayscale(x))


def test_solarise(images):
    compare(ops.solarise(images), images, lambda x, i: reference.solarize(x, 0.5))


@pytest.mark.parametrize("kernel", [3, 9])
def test_blur(kernel, images):
    sigma = torch.tensor([0.05, 0.5, 1.0, 2.0])
    result = ops.gaussian_blur(images, sigma, kernel)
    compare(result, images, lambda x, i: reference.gaussian_blur(x, [kernel, kernel], [sigma[i].item()] * 2))


@pytest.mark.parametrize("flips", [(False, False, False, False), (True, False, True, False)])
def test_resized_crop(flips, images):
    boxes = [(0, 0, 24, 24), (3, 5, 10, 14), (23, 23, 1, 1), (0, 12, 24, 12)]
    box = dict(zip(("top", "left", "height", "width"), torch.tensor(boxes).float().T, strict=True))

    def one(x, i):
        cut = reference.resized_crop(x, *boxes[i], size=[H, W], antialias=False)
        return reference.horizontal_flip(cut) if flips[i] else cut

    compare(ops.resized_crop(images, **box, flip=torch.tensor(flips)), images, one)
