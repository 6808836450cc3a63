"""What an encoder makes of images: the training frame it takes for similar (the paper's Figure 2), where in an image the pooled
feature comes from, what its map of patches tells apart, and where the adapters of one beside a frozen network are active; and
what the policy would do in a demonstration. Arrays only; `report/images.py` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.contracts.encoder import Encoder, FusedEncoder, as_float
from benchmark.core.seeds import seed
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.features import images_of
from benchmark.stages.base import Context
from benchmark.stages.load.agent import load_acting
from benchmark.stages.load.demos import load_demos, load_features
from benchmark.stages.open_loop import predict
from benchmark.stages.params.fit import Params as FitParams
from benchmark.stages.params.visualize import Params, Summary
from benchmark.stages.probe import REFERENCES, standardised

ARRAYS = "arrays.npz"
QUERIES = 5
SAMPLE = 256  # training frames that say what is usual for a feature
STRIP = 6  # frames of a demonstration
TEMPERATURE = 0.1  # as in SpawnNet's release


@dataclass(frozen=True)
class Visualization:
    """Of the encoder that acts, for each of Q held-out frames of the first view."""

    queries: np.ndarray  # (Q, H, W, 3) uint8: the frames
    neighbours: np.ndarray | None = None  # (Q, H, W, 3) uint8: the training frame whose feature is nearest
    saliency: np.ndarray | None = None  # (Q, H, W): how steeply each pixel moves the feature; None for one that sees no image
    maps: np.ndarray | None = None  # (Q, h, w, 3) in 0..1: principal components of patches; None without a map
    strip: np.ndarray | None = None  # (S, H, W, 3) uint8: frames of one held-out demonstration, in their order
    adapters: np.ndarray | None = None  # (adapters, S, h, w) in 0..1: how active each is where in the strip
    recorded: np.ndarray | None = None  # (T, A): the actions of that demonstration, normalised
    predicted: np.ndarray | None = None  # (T, A): what the policy would do in each of its states


def run(context: Context[Params]) -> Summary:
    demos, policy = load_demos(context), context.inputs["policy"]
    context.precision("fp32", context.device("cpu"))
    params, pretrained = context.params, context.inputs["encoder"]
    encoder, agent = load_acting(policy, params.acting, pretrained, demos.spec, params.checkpoint, "cpu")
    features = None if agent.encoder is not None else load_features(context)  # those are of an encoder that has not learnt yet
    result = visualize(demos, features, encoder.requires_grad_(False), params.held_out)
    if policy.manifest.input("demos").key == context.inputs["demos"].manifest.key:  # and not more, which later rounds collected
        episode = int(demos.split(policy.params(FitParams).unseen)[1][0])
        result = replace(result, **_along(context, demos, episode, encoder, agent))
    arrays = {field.name: getattr(result, field.name) for field in fields(result)}
    np.savez(context.out / ARRAYS, **{name: array for name, array in arrays.items() if array is not None})
    return Summary(len(result.queries))


def _along(context: Context[Params], demos: Demos, episode: int, encoder: Encoder, agent: Agent) -> dict[str, np.ndarray]:
    """A demonstration that the policy was not trained on: what it would do, and what adapters look at on the way."""
    predicted, recorded = predict(context, encoder, agent, demos, episode, seed("visualize", demos.spec.env, episode))
    steps = _spaced(np.arange(demos.starts[episode], demos.ends[episode]), STRIP)
    along = {"strip": demos.frames[steps, 0], "recorded": recorded, "predicted": predicted}
    if isinstance(encoder, FusedEncoder):
        along["adapters"] = activity(encoder, _images(encoder, demos, steps)).numpy()
    return along


@torch.no_grad()
def activity(encoder: Encoder, frames: Tensor) -> Tensor:
    """(N, 3, H, W) -> (adapters, N, h, w) in 0..1: how active each map is where, on the finest of their grids.

    The heat map of SpawnNet's release: the length of the vector in each place, a softmax over all places at temperature 0.1,
    and from the least to the most of the image. It is no attribution: what an adapter says need not move the action.
    """
    maps = encoder.features(frames, encoder.map_names)
    grid = max(tuple(x.shape[-2:]) for x in maps.values())
    heat = torch.stack([F.interpolate(x, grid, mode="bilinear", align_corners=False).norm(dim=1) for x in maps.values()])
    shares = (heat.flatten(2) / TEMPERATURE).softmax(2)
    low, high = shares.amin(2, keepdim=True), shares.amax(2, keepdim=True)
    return ((shares - low) / (high - low).clamp(min=1e-12)).view_as(heat)


def load_visualization(folder: Path) -> Visualization:
    with np.load(folder / ARRAYS, allow_pickle=False) as file:
        return Visualization(**dict(file.items()))


def visualize(demos: Demos, features: np.ndarray | None, encoder: Encoder, held_out: float) -> Visualization:
    """`features` are the encoder's, of all frames; `held_out` is the share of demonstrations that it was not trained on.

    One beside a frozen network has no saliency: no gradient comes through that, so half of what it looks at would be missing.
    """
    train, rest = (demos.steps_of(episodes) for episodes in demos.split(held_out))
    steps = rest[np.unique(np.linspace(0, len(rest) - 1, QUERIES + 2).round().astype(int)[1:-1])]
    queries = demos.frames[steps, 0]
    neighbours = None if features is None else demos.frames[nearest(features, _spaced(train, REFERENCES), steps), 0]
    if encoder.reads == "state":
        return Visualization(queries, neighbours)
    frames, usual = _images(encoder, demos, steps), _images(encoder, demos, _spaced(train, SAMPLE))
    maps = None if encoder.patch_dim is None else components(encoder, frames, usual).numpy()
    heat = None if isinstance(encoder, FusedEncoder) else saliency(encoder, frames, usual).numpy()
    return Visualization(queries, neighbours, heat, maps)


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


def _images(encoder: Encoder, demos: Demos, steps: np.ndarray) -> Tensor:
    """Of the first view, with its depth where the encoder takes that."""
    views = 2 if encoder.with_depth else 1
    return images_of(encoder, torch.from_numpy(np.ascontiguousarray(demos.frames[steps, :views])))
