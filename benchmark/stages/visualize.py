"""What an encoder makes of images: the training frame it takes for similar (the paper's Figure 2), where in an image the pooled
feature comes from, and what its map of patches tells apart. Arrays only; `report/images.py` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts.encoder import Encoder, as_float
from benchmark.data.episodes import Demos
from benchmark.stages.base import Context
from benchmark.stages.load.demos import load_demos, load_features
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params.visualize import Params, Summary
from benchmark.stages.probe import REFERENCES, standardised

ARRAYS = "arrays.npz"
QUERIES = 5
SAMPLE = 256  # training frames that say what is usual for a feature


@dataclass(frozen=True)
class Visualization:
    """Of one encoder, for each of Q held-out frames of the first view."""

    queries: np.ndarray  # (Q, H, W, 3) uint8: the frames
    neighbours: np.ndarray  # (Q, H, W, 3) uint8: the training frame whose feature is nearest
    saliency: np.ndarray | None = None  # (Q, H, W): how steeply each pixel moves the feature; None for one that sees no image
    maps: np.ndarray | None = None  # (Q, h, w, 3) in 0..1: principal components of patches; None without a map


def run(context: Context[Params]) -> Summary:
    demos = load_demos(context)
    encoder = load_encoder(context.inputs["encoder"], demos.spec)
    result = visualize(demos, load_features(context), encoder, context.params.held_out)
    arrays = {field.name: getattr(result, field.name) for field in fields(result)}
    np.savez(context.out / ARRAYS, **{name: array for name, array in arrays.items() if array is not None})
    return Summary(len(result.queries))


def load_visualization(folder: Path) -> Visualization:
    with np.load(folder / ARRAYS, allow_pickle=False) as file:
        return Visualization(**dict(file.items()))


def visualize(demos: Demos, features: np.ndarray, encoder: Encoder, held_out: float) -> Visualization:
    """`features` are the encoder's, of all frames; `held_out` is the share of demonstrations that it was not trained on."""
    train, rest = (demos.steps_of(episodes) for episodes in demos.split(held_out))
    steps = rest[np.unique(np.linspace(0, len(rest) - 1, QUERIES + 2).round().astype(int)[1:-1])]
    queries = demos.frames[steps, 0]
    neighbours = demos.frames[nearest(features, _spaced(train, REFERENCES), steps), 0]
    if encoder.reads == "state":
        return Visualization(queries, neighbours)
    frames, usual = _images(demos, steps), _images(demos, _spaced(train, SAMPLE))
    maps = None if encoder.patch_dim is None else components(encoder, frames, usual).numpy()
    return Visualization(queries, neighbours, saliency(encoder, frames, usual).numpy(), maps)


def nearest(features: np.ndarray, searched: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The step of the nearest searched frame for each query. Features are compared as the probe compares them."""
    x, wanted = standardised(features[searched].astype(np.float32), features[queries].astype(np.float32))
    return searched[[((x - query) ** 2).sum(1).argmin() for query in wanted]]


def saliency(encoder: Encoder, frames: Tensor, usual: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, H, W): how steeply the distance of the pooled feature from its mean over usual frames changes with
    each pixel, in units of the feature's spread over them; summed over colours.
    """
    with torch.no_grad():
        features = encoder.pooled(usual)
    spread = features.std(0)
    with torch.enable_grad():
        images = as_float(frames).requires_grad_()
        away = ((encoder.pooled(images) - features.mean(0)) / spread.clamp(min=1e-3 * float(spread.max()))).square().sum()
        (gradient,) = torch.autograd.grad(away, images)
    return gradient.abs().sum(1)


@torch.no_grad()
def components(encoder: Encoder, frames: Tensor, usual: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, h, w, 3) in 0..1: patches along the three directions in which those of usual frames vary most."""
    common, patches = encoder.patch(usual).flatten(0, 1), encoder.patch(frames)
    mean = common.mean(0)
    _, vectors = torch.linalg.eigh((common - mean).T @ (common - mean))
    axes = vectors[:, -3:].flip(1)
    low, high = torch.quantile(((common - mean) @ axes)[:: max(1, len(common) // 4096)], torch.tensor([0.02, 0.98]), dim=0)
    side = round(patches.shape[1] ** 0.5)
    coloured = (((patches - mean) @ axes - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return coloured.unflatten(1, (side, side))


def _spaced(steps: np.ndarray, count: int) -> np.ndarray:
    return steps[np.linspace(0, len(steps) - 1, min(count, len(steps))).astype(int)]


def _images(demos: Demos, steps: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(demos.frames[steps, 0])).permute(0, 3, 1, 2)
