"""Time-contrastive networks (Sermanet et al. 2018): what is near in time is near in the embedding; with one view or several.

The reference is tensorflow/models, research/tcn. It embeds into 32 dimensions on top of a pretrained trunk; here the trunk is
trained from scratch with a linear layer for the loss, and policies see the trunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.contracts.specs import require, require_sizes
from benchmark.core.collective import rand
from benchmark.data.augment import NOTHING, Recipe
from benchmark.models.collapse import spread
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.precision import at_least_float32

LOSSES = ("triplet", "npairs", "infonce")
# The reference's `distort_color`: brightness by up to 32 / 255, saturation by half, on every frame by itself; its scaling is
# off by default. Where it adds to the brightness, this multiplies.
COLOUR = Recipe(jitter=(32 / 255, 0.0, 0.5, 0.0), jitter_p=1.0)


@dataclass
class TCNConfig(MethodConfig):
    augment: bool = True
    loss: str = "triplet"  # triplet: semi-hard, on the unit sphere | npairs: dot products | infonce: minus distances, as in R3M
    window: int = 36  # frames; the reference's batch
    stride: int = 1  # time steps between them
    embedding: int = 32
    margin: float = 0.2  # of the triplet loss; the reference's, from FaceNet

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.loss in LOSSES, f"loss '{self.loss}' is none of {', '.join(LOSSES)}")
        require(self.window >= 3, f"a window needs an anchor, a positive and a negative, not {self.window} frames")
        require_sizes(self, "stride", "embedding")


@dataclass
class SingleViewConfig(TCNConfig):
    positive: float = 0.2  # seconds up to which frames belong together
    negative: float = 0.4  # seconds beyond which they do not

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.positive < self.negative, f"positive={self.positive} s must lie below negative={self.negative} s")


@dataclass
class MultiViewConfig(TCNConfig):
    loss: str = "npairs"  # what the reference's authors recommend, and used for pouring
    window: int = 16  # pairs in their batch
    stride: int = 4  # they draw from 20 seconds; demonstrations here are shorter


# The DynaMo paper gives no number for its TCN rows. These are the reference's, with the learning rate of its pouring experiment
# (that of its defaults, 1e-3, is for a frozen trunk). Our choice: four windows in a batch, because batch norm in a trunk that
# is trained should not see one sequence only, and as many passes over the frames as BYOL's 200 epochs (an epoch has a window
# for every frame).
PAPER = {"optimizer": "adam", "lr": 1e-4, "weight_decay": 1e-6, "batch_size": 4, "schedule": "constant", "warmup": 0.0}
# our choice, for minutes on a processor
SMALL = {"batch_size": 4, "lr": 1e-3, "weight_decay": 1e-4, "window": 16}


def _presets(epochs: float) -> dict[str, dict[str, Any]]:
    small = {preset: {**SMALL, "width": WIDTHS[preset]} for preset in ("quick", "standard")}
    smoke = {**SMALL, "width": WIDTHS["smoke"], "window": 8, "stride": 1, "embedding": 8}
    return {"smoke": smoke, **small, "paper": {**PAPER, "epochs": epochs}}


class TCN(Method):
    """What both have in common: embeddings of windows, and three losses over pairs of their frames."""

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.head = nn.Linear(self.encoder.dim, config.embedding)

    def embed(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """(..., 3, H, W) -> (..., embedding)."""
        images = frames.flatten(0, -4)
        recipe = COLOUR if self.config.augment else NOTHING
        return at_least_float32(self.head(self.encoder(recipe(images, rng)))).view(*frames.shape[:-3], -1)

    def compare(self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """(S, N, D) anchors and (S, M, D) others of S sequences, (N, M) which of them belong together and which apart."""
        with torch.autocast(anchors.device.type, enabled=False):
            match self.config.loss:
                case "triplet":
                    distance = euclidean(F.normalize(anchors, dim=-1), F.normalize(others, dim=-1)).square()
                    return semi_hard_triplet(distance, positive, negative, self.config.margin)
                case "npairs":
                    # The reference's weight decay of embeddings: 0.25 x 0.002 (metric_loss_ops of TensorFlow)
                    squared = anchors.square().sum(-1).mean() + others.square().sum(-1).mean()
                    return against_negatives(anchors @ others.mT, positive, negative) + 0.25 * 0.002 * squared
                case "infonce":
                    return against_negatives(-euclidean(anchors, others), positive, negative)
        raise AssertionError(self.config.loss)

    def nothing_learned(self, positive: Tensor, negative: Tensor) -> float:
        """The loss of one and the same embedding, at the origin, for every frame."""
        point = torch.zeros(1, 1, self.config.embedding, device=positive.device)
        anchors, others = (point.expand(-1, frames, -1) for frames in positive.shape)
        return float(self.compare(anchors, others, positive, negative))


class TCNSingleView(TCN):
    """Frames within 0.2 s are positives, more than 0.4 s apart negatives, those between neither; each camera is by itself.

    The radii are in seconds because demonstrations come at 10 to 20 frames per second, the reference's at 29.
    """

    name = "tcn_sv"
    Config = SingleViewConfig
    source = "TCN single-view (Sermanet et al. 2018), DynaMo paper, section 4.2"
    presets = _presets(epochs=5.5)
    variants = {"no_augmentation": {"augment": False}, "infonce": {"loss": "infonce"}, "npairs": {"loss": "npairs"}}

    positive: Tensor
    negative: Tensor

    def __init__(self, config: SingleViewConfig, data: DataSpec):
        super().__init__(config, data)
        near = max(1, round(config.positive * data.hz))
        far = max(near + 1, round(config.negative * data.hz))
        require(
            (config.window - 1) * config.stride > far and config.stride <= near,
            f"tcn_sv: {config.window} frames {config.stride} apart hold no triplet: at {data.hz:g} Hz positives are up to "
            f"{near} steps away and negatives more than {far}",
        )
        time = config.stride * torch.arange(config.window)
        apart = (time[:, None] - time).abs()
        self.register_buffer("positive", (apart > 0) & (apart <= near), persistent=False)
        self.register_buffer("negative", apart > far, persistent=False)

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=config.window, stride=config.stride)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        embedded = self.embed(batch.frames.transpose(1, 2).flatten(0, 1), rng)
        return self.compare(embedded, embedded, self.positive, self.negative), {"spread": spread(embedded)}

    def trivial_loss(self) -> float:
        return self.nothing_learned(self.positive, self.negative)


class TCNMultiView(TCN):
    """The same moment from two cameras is a positive, other moments of the same window are negatives.

    Moments of other windows are neither: in the reference, whose labels are positions in a sequence, they would become false
    positives. As there, the triplet loss compares all frames of both cameras, n-pairs those of one with those of the other.
    """

    name = "tcn_mv"
    Config = MultiViewConfig
    source = "TCN multi-view (Sermanet et al. 2018), DynaMo paper, section 4.2"
    presets = _presets(epochs=12.5)
    variants = {"no_augmentation": {"augment": False}, "infonce": {"loss": "infonce"}, "triplet": {"loss": "triplet"}}

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=config.window, stride=config.stride, min_views=2)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        embedded = self.embed(self._two_views(batch.frames, rng), rng)
        positive, negative = self._pairs(embedded.device)
        if self.config.loss == "triplet":
            anchors = others = embedded.flatten(1, 2)
        else:
            anchors, others = embedded.unbind(1)
        return self.compare(anchors, others, positive, negative), {"spread": spread(embedded)}

    def trivial_loss(self) -> float:
        return self.nothing_learned(*self._pairs(torch.device("cpu")))

    def _pairs(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Which frames are of one moment and which are not: among all of both cameras, or between one camera and the other."""
        moment = torch.arange(self.config.window, device=device)
        itself = torch.zeros((), dtype=torch.bool, device=device)
        if self.config.loss == "triplet":
            moment = moment.repeat(2)
            itself = torch.eye(len(moment), dtype=torch.bool, device=device)
        same = moment[:, None] == moment
        return same & ~itself, ~same

    def _two_views(self, frames: Tensor, rng: torch.Generator) -> Tensor:
        """(B, T, V, ...) -> (B, 2, T, ...): two cameras of each window, in random order."""
        b, _, v = frames.shape[:3]
        chosen = rand(b, v, generator=rng).argsort(1)[:, :2]
        return frames.transpose(1, 2)[torch.arange(b, device=chosen.device)[:, None], chosen]


def euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Pairwise distances, not by way of a matrix product, which loses small ones."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def semi_hard_triplet(distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Mean hinge over all positive pairs of anchors that have a negative. (S, N, M) distances, (N, M) pairs.

    The negative of a pair is the closest that is farther than the positive; if there is none, the farthest.
    """
    positive = positive & negative.any(1, keepdim=True)
    ordered = distance.masked_fill(~negative, torch.inf).sort(-1).values
    place = torch.searchsorted(ordered.detach(), distance.detach(), right=True)
    mined = ordered.gather(-1, torch.minimum(place, negative.sum(1, keepdim=True) - 1).clamp(min=0))
    return mean_over(F.relu(margin + distance - mined), positive)


def against_negatives(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Mean cross entropy over all positive pairs, each of which competes with its anchor's negatives. (S, N, M) logits."""
    rivaled = negative.any(1, keepdim=True)
    rivals = logits.masked_fill(~negative & rivaled, -torch.inf).logsumexp(-1, keepdim=True)
    return mean_over(F.softplus(rivals - logits), positive & rivaled)


def mean_over(values: Tensor, pairs: Tensor) -> Tensor:
    """(S, N, M) values, (N, M) pairs. To pick pairs with the mask would wait for the device, which has to count them."""
    return values.masked_fill(~pairs, 0).sum() / (len(values) * pairs.sum())
