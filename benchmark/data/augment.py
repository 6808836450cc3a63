"""Augmentation batched on the device: parameters drawn per sample from an explicit generator, shared by the sample's frames."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.contracts.encoder import as_float
from benchmark.core.collective import rand
from benchmark.data import image_ops as ops

RATIO = (3 / 4, 4 / 3)  # aspect ratios of crops (Inception, torchvision's default)
TRIES = 10  # draws until a crop fits into the frame, then the whole frame; as torchvision does
SIGMA = (0.1, 2.0)  # of the blur, in pixels of a 224-pixel frame (SimCLR, appendix A); scaled with the frame
CACHED = 1 << 20  # bytes of floats worked on at once on a processor, so that they stay in its cache


@dataclass(frozen=True)
class Recipe:
    """A distribution of augmentations; the defaults do nothing. Call it with frames and a generator.

    Frames are (B, ..., 3, H, W), uint8 or float in [0, 1]; the result is float of the same shape. What lies between the sample
    axis and the channels (times, views) shares its parameters. To draw per frame, flatten those axes into the first.
    """

    crop: float = 1.0  # smallest area of a crop as a fraction of the frame
    flip: float = 0.0  # probability; 0 unless asked for, because mirroring a scene changes the action that is right
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # brightness, contrast, saturation, hue
    jitter_p: float = 0.8
    grayscale: float = 0.0
    blur: float = 0.0
    solarise: float = 0.0
    ratio: tuple[float, float] = RATIO  # of crops

    @torch.no_grad()
    def __call__(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        if self == Recipe():
            return as_float(frames)
        *_, height, width = frames.shape
        windows = frames.reshape(len(frames), -1, 3, height, width)
        drawn = self._draw(len(frames), height, width, rng)
        if frames.device.type != "cpu":
            with torch.autocast(frames.device.type, enabled=False):
                return self._apply_masked(windows, drawn, torch.rand(4, generator=rng, device=rng.device)).view(frames.shape)
        order = torch.randperm(4, generator=rng, device=rng.device).tolist()
        size = max(1, CACHED // (4 * windows[0].numel()))
        with torch.autocast(frames.device.type, enabled=False):
            parts = [
                self._apply(part, {name: values[i * size : (i + 1) * size] for name, values in drawn.items()}, order)
                for i, part in enumerate(windows.split(size))
            ]
        return torch.cat(parts).view(frames.shape)

    def _draw(self, n: int, height: int, width: int, rng: torch.Generator) -> dict[str, Tensor]:
        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * rand(n, *shape, generator=rng)

        low, high = map(math.log, self.ratio)
        areas, ratios = uniform(self.crop, 1, TRIES), uniform(low, high, TRIES)
        box = crop_boxes(areas, ratios, uniform(0, 1), uniform(0, 1), height, width)
        jittered = uniform(0, 1) < self.jitter_p
        brightness, contrast, saturation, hue = self.jitter
        factors = {
            "brightness": uniform(max(0, 1 - brightness), 1 + brightness),
            "contrast": uniform(max(0, 1 - contrast), 1 + contrast),
            "saturation": uniform(max(0, 1 - saturation), 1 + saturation),
        }
        return {
            **box,
            "flip": uniform(0, 1) < self.flip,
            **{name: torch.where(jittered, factor, 1.0) for name, factor in factors.items()},
            "hue": torch.where(jittered, uniform(-hue, hue), 0.0),
            "grayscale": uniform(0, 1) < self.grayscale,
            "blur": uniform(0, 1) < self.blur,
            "sigma": uniform(*SIGMA) * height / 224,
            "solarise": uniform(0, 1) < self.solarise,
        }

    def _apply(self, frames: Tensor, drawn: dict[str, Tensor], order: list[int]) -> Tensor:
        """The colour operations come in one random order per call, as in torchvision's ColorJitter."""
        images = as_float(frames.contiguous())
        box = {name: drawn[name] for name in ("top", "left", "height", "width", "flip")}
        images = ops.resized_crop(images, **box) if self.crop < 1 or self.flip > 0 else images.clone()
        jitter = (
            (ops.adjust_brightness_, drawn["brightness"]),
            (ops.adjust_contrast_, drawn["contrast"]),
            (ops.adjust_saturation_, drawn["saturation"]),
            (ops.adjust_hue_, drawn["hue"]),
        )
        for i in order:
            operation, parameter = jitter[i]
            if self.jitter[i] > 0:
                operation(images, parameter)
        if len(chosen := drawn["grayscale"].nonzero()[:, 0]):
            images[chosen] = ops.luma(images[chosen]).expand(-1, -1, 3, -1, -1)
        if len(chosen := drawn["blur"].nonzero()[:, 0]):
            images[chosen] = ops.gaussian_blur(images[chosen], drawn["sigma"][chosen], kernel_size(images.shape[-1]))
        if len(chosen := drawn["solarise"].nonzero()[:, 0]):
            images[chosen] = ops.solarise(images[chosen])
        return images

    def _apply_masked(self, frames: Tensor, drawn: dict[str, Tensor], keys: Tensor) -> Tensor:
        """What `_apply` computes in the order that sorts `keys`, for a device that must not be waited for: nothing depends on
        the value of a tensor, so every operation runs on all samples and those not chosen keep what they were.

        The order is not known here, and an operation that is not due is made neutral. Brightness, contrast and saturation are
        one operation that differs in what it blends with; all three are applied before the hue and again after it.
        """
        images = as_float(frames.contiguous())
        if self.crop < 1 or self.flip > 0:
            images = ops.resized_crop(images, **{name: drawn[name] for name in ("top", "left", "height", "width", "flip")})
        if any(self.jitter[:3]):
            due = keys[:3].argsort()  # 0 brightness, 1 contrast, 2 saturation
            factors = torch.stack([drawn[name] for name in ("brightness", "contrast", "saturation")])[due]
            if self.jitter[3] > 0:
                early = keys[:3][due] < keys[3]
                for i in range(3):
                    images = ops.blend(images, due[i], torch.where(early[i], factors[i], 1.0))
                images = ops.adjust_hue_(images, drawn["hue"])
                factors = torch.where(early[:, None], 1.0, factors)
            for i in range(3):
                images = ops.blend(images, due[i], factors[i])
        elif self.jitter[3] > 0:
            images = ops.adjust_hue_(images.clone(), drawn["hue"])
        if self.grayscale > 0:
            images = ops.choose(drawn["grayscale"], ops.luma(images), images)
        if self.blur > 0:
            images = ops.choose(drawn["blur"], ops.gaussian_blur(images, drawn["sigma"], kernel_size(images.shape[-1])), images)
        if self.solarise > 0:
            images = ops.choose(drawn["solarise"], ops.solarise(images), images)
        return images


def crop_boxes(area: Tensor, log_ratio: Tensor, down: Tensor, right: Tensor, height: int, width: int) -> dict[str, Tensor]:
    """Whole-pixel boxes from draws: (B, TRIES) areas (fractions) and log aspect ratios, (B,) positions in [0, 1)."""
    w = (area * height * width * log_ratio.exp()).sqrt().round()
    h = (area * height * width / log_ratio.exp()).sqrt().round()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(1, keepdim=True)
    w = torch.where(fits.any(1), w.gather(1, first)[:, 0], width)
    h = torch.where(fits.any(1), h.gather(1, first)[:, 0], height)
    top, left = (down * (height - h + 1)).floor(), (right * (width - w + 1)).floor()
    return {"top": top, "left": left, "height": h, "width": w}


def kernel_size(size: int) -> int:
    """A tenth of the frame, odd (SimCLR, BYOL): 23 pixels at 224."""
    return 2 * (size // 20) + 1


NOTHING = Recipe()
# Of encoders that learn with a policy, by the word of `joint.augment`. bridge: what BridgeData V2 and its PyTorch port (gc_bc)
# do to an observation and its goal, always; the port draws once per batch, this once per sample.
JOINT = {"none": NOTHING, "bridge": Recipe(0.8, jitter=(0.2, 0.2, 0.2, 0.1), jitter_p=1.0, ratio=(0.9, 1.1))}


def byol(crop: float = 0.08, flip: bool = False) -> tuple[Recipe, Recipe]:
    """The two views of BYOL (appendix B). MoCo-v3 uses the same with crops from 0.2 of the area for ResNets."""
    first = Recipe(crop, 0.5 if flip else 0.0, jitter=(0.4, 0.4, 0.2, 0.1), grayscale=0.2, blur=1.0)
    return first, replace(first, blur=0.1, solarise=0.2)


def simsiam(crop: float = 0.2, flip: bool = False) -> Recipe:
    """The augmentation of both views in SimSiam (section 3), which is MoCo-v2's."""
    return Recipe(crop, 0.5 if flip else 0.0, jitter=(0.4, 0.4, 0.4, 0.1), grayscale=0.2, blur=0.5)
