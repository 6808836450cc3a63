"""What methods share that compare two views of one moment, or of two moments close in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.contracts.specs import require, require_sizes
from benchmark.data.augment import NOTHING, Recipe, byol
from benchmark.models.collapse import spread
from benchmark.models.ema import EMA, cosine_momentum
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.losses import cosine_distance

# What these methods have in common in a preset, so that the rows differ in nothing else.
SMOKE: dict[str, Any] = {"width": WIDTHS["smoke"], "hidden": 32, "out": 16, "batch_size": 16, "lr": 1e-3}
QUICK: dict[str, Any] = {"width": WIDTHS["quick"], "hidden": 256, "out": 64, "batch_size": 64, "lr": 1e-3, "weight_decay": 1e-4}
STANDARD: dict[str, Any] = {**QUICK, "width": WIDTHS["standard"], "hidden": 512, "out": 128}


def paper(**recipe: Any) -> dict[str, dict[str, Any]]:
    """A row's `paper` presets. Batches of the literature count images; ours count windows, and in environments with two cameras
    a window has one image of each: half as many windows there, for every row alike."""
    two_cameras = {"batch_size": recipe["batch_size"] // 2}
    return {"paper": recipe, "paper/block_push": two_cameras, "paper/libero_goal": two_cameras}


# DynaMo paper, Table 12: LARS, 512 frames, 0.2, 1.5e-6, 200 epochs. Whether 0.2 is still to be multiplied by batch / 256 is not
# said; the code it names (lucidrains/byol-pytorch) does not, so neither do we. The momentum stays at 0.99 in that code. The 10
# epochs of warm-up are BYOL's own.
BYOL_PAPER = paper(
    optimizer="lars", lr=0.2, weight_decay=1.5e-6, batch_size=512, epochs=200, warmup=0.05, ema_schedule="constant"
)


@dataclass
class TwoViewConfig(MethodConfig):
    augment: bool = True
    offset: int = 0  # time steps between the two frames of a positive pair; 0: one frame, augmented twice
    crop: float = 0.08  # smallest area of a crop
    flip: bool = False  # mirroring a scene changes the action that is right: off, unlike in the literature
    hidden: int = 4096  # of the heads
    out: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "hidden", "out")
        require(self.offset >= 0, f"offset must not be negative, not {self.offset}")
        require(0 < self.crop <= 1, f"crop is an area between 0 and 1, not {self.crop}")


class TwoViewMethod(Method):
    """Makes the pairs. Cameras are separate images: a pair comes from one camera, each image with its own augmentation.

    Without augmentation the two views of one frame are the same image, and a loss that only wants them alike is zero from the
    start; `no_augmentation` is a question for rows whose views are two moments.
    """

    Config = TwoViewConfig
    variants = {"no_augmentation": {"augment": False}}
    zero_residuals: ClassVar[bool] = False  # the ResNet's blocks start as their shortcuts, where a row's official code has that

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution, cls.zero_residuals)

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=2, stride=config.offset) if config.offset else BatchSpec(images=2)

    def recipes(self) -> tuple[Recipe, Recipe]:
        """The augmentations of the earlier and the later view."""
        return byol(self.config.crop, self.config.flip)

    def views(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) each, row i of one belongs to row i of the other. Pairs never cross an episode: windows do not."""
        first, second = self.recipes() if self.config.augment else (NOTHING, NOTHING)
        return first(batch.frames[:, 0].flatten(0, 1), rng), second(batch.frames[:, -1].flatten(0, 1), rng)


@dataclass
class MomentumConfig(TwoViewConfig):
    ema: float = 0.99  # momentum of the target at the start
    ema_schedule: str = "cosine"  # cosine: towards 1 at the end | constant

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.ema <= 1, f"ema is a momentum between 0 and 1, not {self.ema}")
        require(self.ema_schedule in ("cosine", "constant"), f"ema_schedule '{self.ema_schedule}' is none of cosine, constant")


class MomentumMethod(TwoViewMethod):
    """An encoder with a projector, and a target: a moving average of both that gives no gradient."""

    Config = MomentumConfig

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        self.projector = self.build_projector()
        self.target = EMA(self.online())

    def build_projector(self) -> nn.Module:
        raise NotImplementedError

    def online(self) -> nn.Module:
        """Put together when needed: as an attribute it would hold every weight a second time."""
        return nn.Sequential(self.encoder, self.projector)

    def after_step(self, step: int, steps: int) -> None:
        ema = self.config.ema
        momentum = cosine_momentum(ema, step, steps) if self.config.ema_schedule == "cosine" else ema
        self.target.update(self.online(), momentum)


class Bootstrap(MomentumMethod):
    """Bootstrap your own latent (Grill et al. 2020): predict the target's projection of the other view; no negatives.

    The loss is the sum over both directions of 2 - 2 cos(prediction, target), section 3.1. Each view passes through the
    networks by itself, so that batch norm never sees both.
    """

    def __init__(self, config: Any, data: DataSpec):
        from lightly.models.modules.heads import BYOLPredictionHead

        super().__init__(config, data)
        self.predictor = BYOLPredictionHead(config.out, config.hidden, config.out)

    def build_projector(self) -> nn.Module:
        from lightly.models.modules.heads import BYOLProjectionHead

        return BYOLProjectionHead(self.encoder.dim, self.config.hidden, self.config.out)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        views = self.views(batch, rng)
        first, second = (self.projector(self.encoder(view)) for view in views)
        to_first, to_second = (self.target(view) for view in views)
        forward = cosine_distance(self.predictor(first), to_second)
        backward = cosine_distance(self.predictor(second), to_first)
        return 2 * (forward + backward), {"spread": spread(first)}
