"""What encoders make of images: the training frame they take for similar (the paper's Figure 2), where in a image the
pooled feature comes from, and what their map of patches tells apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.contracts.encoder import Encoder, as_float
from benchmark.data.episodes import Demos, open_demos
from benchmark.planning.graph import row_label
from benchmark.stages.base import Artifact
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params import fit, probe
from benchmark.stages.probe import REFERENCES, standardised
from benchmark.storage.artifacts import Store
from benchmark.storage.manifests import Ref

QUERIES = 5
SAMPLE = 256  # training frames that say what is usual for a feature
TITLES = {
    "neighbours": "The training frame that each encoder finds most similar to a held-out one",
    "saliency": "Where the pooled feature comes from: bright pixels move it furthest from its mean",
    "maps": "What the map of patches tells apart: its first three principal components as colours",
}


@dataclass(frozen=True)
class Images:
    """Held-out frames of the first view, and a image for each of them by each row of the table."""

    name: str  # one of TITLES
    env: str
    queries: np.ndarray  # (Q, H, W, 3) uint8
    answers: Mapping[str, np.ndarray]


def images(store: Store, provenance: dict[str, Any]) -> list[Images]:
    """For each environment, of the first seed of each row."""
    first: dict[str, dict[str, dict[str, str]]] = {}
    for cell in provenance["cells"]:
        joint = store.manifest("fit", cell["stages"]["fit"]).params_as(fit.Params).joint  # what was pretrained is not what acts
        if store.has("embed", cell["stages"]["embed"]) and joint is None:
            label = row_label(cell["method"], cell["variant"])
            first.setdefault(cell["env"], {}).setdefault(label, cell["stages"])
    return [found for env, rows in first.items() for found in _of(env, rows, store)]


def _of(env: str, rows: dict[str, dict[str, str]], store: Store) -> list[Images]:
    stages = next(iter(rows.values()))
    demos = open_demos(store.open("demos", stages["demos"]))
    held_out_share = store.manifest("probe", stages["probe"]).params_as(probe.Params).held_out
    train, held_out = (demos.steps_of(episodes) for episodes in demos.split(held_out_share))
    asked = held_out[np.unique(np.linspace(0, len(held_out) - 1, QUERIES + 2).round().astype(int)[1:-1])]
    frames, usual = _images(demos, asked), _images(demos, _spaced(train, SAMPLE))
    answers: dict[str, dict[str, np.ndarray]] = {name: {} for name in TITLES}
    for label, of_row in rows.items():
        features = np.load(store.open("embed", of_row["embed"]) / "features.npy", mmap_mode="r", allow_pickle=False)
        answers["neighbours"][label] = demos.frames[nearest(features, _spaced(train, REFERENCES), asked), 0]
        encoder = load_encoder(Artifact.open(store, Ref("pretrain", of_row["pretrain"])), demos.spec)
        if encoder.reads == "state":
            continue
        answers["saliency"][label] = glowing(demos.frames[asked, 0], saliency(encoder, frames, usual).numpy())
        if encoder.patch_dim is not None:
            answers["maps"][label] = (255 * components(encoder, frames, usual)).byte().numpy()
    return [Images(name, env, demos.frames[asked, 0], found) for name, found in answers.items() if found]


def nearest(features: np.ndarray, searched: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The step of the nearest searched frame for each asked one. Features are compared as the probe compares them."""
    x, queries = standardised(features[searched].astype(np.float32), features[asked].astype(np.float32))
    return searched[[((x - query) ** 2).sum(1).argmin() for query in queries]]


def saliency(encoder: Encoder, frames: Tensor, usual: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, H, W): how steeply the distance of the pooled feature from its mean over usual frames changes with
    each pixel, in units of the feature's spread over them; summed over colours.
    """
    with torch.no_grad():
        known = encoder.pooled(usual)
    spread = known.std(0)
    with torch.enable_grad():
        images = as_float(frames).requires_grad_()
        away = ((encoder.pooled(images) - known.mean(0)) / spread.clamp(min=1e-3 * float(spread.max()))).square().sum()
        (gradient,) = torch.autograd.grad(away, images)
    return gradient.abs().sum(1)


@torch.no_grad()
def components(encoder: Encoder, frames: Tensor, usual: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, h, w, 3) in 0..1: patches along the three directions in which those of usual frames vary most."""
    known, asked = encoder.patch(usual).flatten(0, 1), encoder.patch(frames)
    mean = known.mean(0)
    _, vectors = torch.linalg.eigh((known - mean).T @ (known - mean))
    axes = vectors[:, -3:].flip(1)
    low, high = torch.quantile(((known - mean) @ axes)[:: max(1, len(known) // 4096)], torch.tensor([0.02, 0.98]), dim=0)
    side = round(asked.shape[1] ** 0.5)
    coloured = (((asked - mean) @ axes - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return coloured.unflatten(1, (side, side))


def glowing(frames: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Heat over greyed frames, smoothed a little and as bright as the image's own loudest percent."""
    smooth = F.avg_pool2d(torch.from_numpy(heat)[:, None], 5, 1, 2, count_include_pad=False)[:, 0].numpy()
    loudest = np.percentile(smooth, 99, axis=(1, 2), keepdims=True)
    colours = mpl.colormaps["inferno"](np.clip(smooth / np.maximum(loudest, 1e-12), 0, 1))[..., :3]
    return (0.3 * frames.mean(-1, keepdims=True) + 0.7 * 255 * colours).astype(np.uint8)


def _spaced(steps: np.ndarray, count: int) -> np.ndarray:
    return steps[np.linspace(0, len(steps) - 1, min(count, len(steps))).astype(int)]


def _images(demos: Demos, steps: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(demos.frames[steps, 0])).permute(0, 3, 1, 2)
