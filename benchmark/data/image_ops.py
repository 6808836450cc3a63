"""Image operations on a batch of windows, every sample with its own parameters, all frames of a sample with the same ones.

Images are floats in [0, 1] of shape (B, N, 3, H, W): N frames (times and views) of B samples. Parameters have shape (B,). Each
function computes what `torchvision.transforms.v2.functional` does to one image at a time. Those ending in an underscore work in
place: on a processor these operations are bound by memory, not by arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, as in torchvision


def resized_crop(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, flip: Tensor) -> Tensor:
    """Cut a box of whole pixels, enlarge it to the size of the image (bilinear), mirror it where `flip`.

    Sampling stops at the border of the box, so that nothing outside it bleeds in. A crop of the same or smaller size is only
    ever enlarged, hence no antialiasing.
    """
    b, n, c, h, w = images.shape
    ys = _positions(top, height, h)
    xs = _positions(left, width, w)
    xs = torch.where(flip[:, None], xs.flip(1), xs)
    grid = torch.stack([xs[:, None, :].expand(b, h, w), ys[:, :, None].expand(b, h, w)], dim=-1)
    return F.grid_sample(images.reshape(b, n * c, h, w), grid, align_corners=False).view(images.shape)


def _positions(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Where on an axis of `size` pixels to sample for `size` outputs, in grid_sample's units: (B, size)."""
    centres = (torch.arange(size, device=start.device) + 0.5) * (length / size)[:, None] - 0.5
    centres = torch.minimum(centres.clamp(min=0), length[:, None] - 1) + start[:, None]
    return (2 * centres + 1) / size - 1


def luma(images: Tensor) -> Tensor:
    """(B, N, 3, H, W) -> (B, N, 1, H, W)."""
    r, g, b = images.split(1, dim=2)
    return (r * LUMA[0]).add_(g, alpha=LUMA[1]).add_(b, alpha=LUMA[2])


def adjust_brightness_(images: Tensor, factor: Tensor) -> Tensor:
    return images.mul_(_per_sample(factor)).clamp_(0, 1)


def adjust_contrast_(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the mean luma of each frame."""
    mean = luma(images.mean((3, 4), keepdim=True))
    factor = _per_sample(factor)
    return images.mul_(factor).add_((1 - factor) * mean).clamp_(0, 1)


def adjust_saturation_(images: Tensor, factor: Tensor) -> Tensor:
    """Away from each pixel's luma."""
    factor = _per_sample(factor)
    grey = luma(images).mul_(1 - factor)
    return images.mul_(factor).add_(grey).clamp_(0, 1)


def blend(images: Tensor, kind: Tensor, factor: Tensor) -> Tensor:
    """Brightness, contrast or saturation by the value of a tensor, 0, 1 or 2: away from black, from the mean luma of each
    frame, or from each pixel's luma. A factor of 1 changes nothing."""
    grey = luma(images)
    black = torch.zeros((), dtype=grey.dtype, device=grey.device)
    other = torch.where(kind == 2, grey, torch.where(kind == 1, grey.mean((3, 4), keepdim=True), black))
    return torch.lerp(other, images, _per_sample(factor)).clamp_(0, 1)


def choose(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    """The changed images of the samples that are chosen."""
    return torch.where(_per_sample(chosen), changed, images)


def adjust_hue_(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue by a fraction of the colour circle, keeping HSV's saturation and value.

    With the hue on a circle of circumference 6, a channel is the minimum plus the chroma times a trapezoid of the hue, so the
    six sectors need no cases. `lerp` with a weight of 0 or 1 chooses: it is ten times faster than `where` on a processor.
    """
    r, g, b = images.unbind(2)
    high = torch.maximum(torch.maximum(r, g), b)
    low = torch.minimum(torch.minimum(r, g), b)
    chroma = high - low
    hue = torch.lerp((r - g).add_(chroma, alpha=4), (b - r).add_(chroma, alpha=2), _equal(high, g))
    hue.lerp_(g - b, _equal(high, r)).div_(chroma.clamp(min=1e-12)).add_(6 * shift.view(-1, 1, 1, 1))
    hue.sub_(torch.floor(hue / 6), alpha=6)
    for channel, (centre, slope, offset) in zip((r, g, b), ((3, 1, -1), (2, -1, 2), (4, -1, 2)), strict=True):
        trapezoid = (hue - centre).abs_().mul_(slope).add_(offset).clamp_(0, 1)
        torch.addcmul(low, chroma, trapezoid, out=channel)
    return images


def _equal(a: Tensor, b: Tensor) -> Tensor:
    """1.0 where equal, else 0.0, without a detour over booleans."""
    return torch.eq(a, b, out=torch.empty_like(a))


def gaussian_blur(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """`kernel` (odd) pixels wide, reflected at the borders; one product with a banded matrix per axis."""
    for _ in ("columns", "rows"):
        matrix = _blur_matrix(images.shape[-1], sigma, kernel)
        blurred = torch.bmm(images.reshape(len(images), -1, images.shape[-1]), matrix)
        images = blurred.view(images.shape).transpose(-1, -2)
    return images


def _blur_matrix(size: int, sigma: Tensor, kernel: int) -> Tensor:
    """(B, size, size): column j holds the weights of the pixels that make up pixel j.

    Weights stay above e^-50: denormal numbers would make the product ten times slower.
    """
    offsets = torch.arange(kernel, device=sigma.device) - kernel // 2
    taps = torch.exp((-0.5 * (offsets / sigma[:, None]) ** 2).clamp(min=-50))
    taps = taps / taps.sum(1, keepdim=True)
    pixels = torch.arange(size, device=sigma.device) + offsets[:, None]
    reflected = size - 1 - (size - 1 - pixels.abs()).abs()
    matrix = torch.zeros(len(sigma), size, size, dtype=taps.dtype, device=sigma.device)
    return matrix.scatter_add_(1, reflected.expand(len(sigma), -1, -1), taps[:, :, None].expand(-1, -1, size))


def solarise(images: Tensor) -> Tensor:
    """Invert what is brighter than one half."""
    return 0.5 - (images - 0.5).abs()


def _per_sample(parameter: Tensor) -> Tensor:
    return parameter.view(-1, 1, 1, 1, 1)
