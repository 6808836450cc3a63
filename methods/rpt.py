"""RPT (Radosavovic et al., CoRL 2023): predict most tokens of a sequence from the few that are left.

Two rows, because the paper that made RPT a baseline changed it: `rpt` learns the images' encoder from tokens of observations
alone, as the DynaMo paper says of its baseline; `rpt_sensorimotor` is the original, whose visual features are frozen and whose
tokens are of vision, proprioception and action. No official code was released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.contracts.specs import require, require_sizes
from benchmark.core.collective import average, processes, rand
from benchmark.models.collapse import spread
from benchmark.models.ema import EMA, cosine_momentum
from benchmark.models.encoders import WIDTHS, ConvEncoder, build_backbone
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.models.losses import covariance, standardise
from benchmark.models.precision import at_least_float32
from benchmark.models.resnet import ResNet18
from benchmark.models.transformer import Block
from benchmark.models.units import in_deviations
from benchmark.models.weights import content, load, unavailable_reason


@dataclass
class SequenceConfig(MethodConfig):
    """RPT, section 3, "Implementation details" and section 4.3: the transformer and its masks."""

    window: int = 16
    stride: int = 1
    mask_low: float = 0.7  # the fraction masked is drawn for each sequence between these
    mask_high: float = 0.9
    model_width: int = 192
    blocks: int = 4
    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "stride", "model_width", "heads")
        require(self.window >= 2, f"rpt needs a window of at least 2 frames, not {self.window}")
        require(0 < self.mask_low <= self.mask_high < 1, "mask_low and mask_high must be fractions, the low one first")
        require(self.model_width % self.heads == 0, "heads must divide model_width")


class MaskedSequence(nn.Module):
    """RPT's transformer: several tokens per time step, attention among all of them, forwards and backwards in time.

    A slot is what one token of a time step holds: its kind and size. Tokens of one kind share their projection, and all tokens
    of a time step share its position. Every slot has its own mask token, shared over time. RPT projects each camera separately;
    here cameras share, as they share the encoder, because a policy's images do not say which camera they come from.
    """

    def __init__(self, slots: Sequence[tuple[str, int]], config: SequenceConfig):
        super().__init__()
        self.kinds = [kind for kind, _ in slots]
        width = config.model_width
        self.embed = nn.ModuleDict({kind: nn.Linear(size, width) for kind, size in dict(slots).items()})
        self.masks = nn.Parameter(0.02 * torch.randn(len(slots), width))
        self.positions = nn.Parameter(0.02 * torch.randn(config.window, 1, width))
        self.blocks = nn.Sequential(*(Block(width, config.heads, 0.0, 2, causal=False) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Sequence[Tensor], hidden: Tensor) -> Tensor:
        """One (B, T, size) per slot and (B, T, slots), which of them are masked -> (B, T, slots, width)."""
        x = torch.stack([self.embed[kind](token) for kind, token in zip(self.kinds, tokens, strict=True)], dim=2)
        x = torch.where(hidden[..., None], self.masks.to(x.dtype), x) + self.positions
        return self.norm(self.blocks(x.flatten(1, 2))).view(x.shape)


class Heads(nn.Module):
    """Linear heads from the transformer back to what its tokens were, one for each kind."""

    def __init__(self, slots: Sequence[tuple[str, int]], width: int):
        super().__init__()
        self.kinds = [kind for kind, _ in slots]
        self.back = nn.ModuleDict({kind: nn.Linear(width, size) for kind, size in dict(slots).items()})

    def error(self, outputs: Tensor, targets: Sequence[Tensor], hidden: Tensor) -> Tensor:
        """Mean squared error of masked tokens; slots count the same, whatever their size (RPT weighs modalities equally)."""
        errors = []
        for slot, (kind, target) in enumerate(zip(self.kinds, targets, strict=True)):
            squared = (at_least_float32(self.back[kind](outputs[:, :, slot])) - target).square().mean(-1)
            count = average(hidden[:, :, slot].sum().float()).clamp(min=1 / processes())
            errors.append((squared * hidden[:, :, slot]).sum() / count)
        return torch.stack(errors).mean()


def draw_masks(shape: Sequence[int], low: float, high: float, rng: torch.Generator) -> Tensor:
    """(B, T, slots), True where masked: a ratio for each sequence, then every token by itself."""
    ratio = low + (high - low) * rand(shape[0], 1, 1, generator=rng)
    return rand(*shape, generator=rng) < ratio


@dataclass
class RPTConfig(SequenceConfig):
    target: str = "simsiam"  # simsiam: the encoder's own features, detached | ema: a moving average's
    ema: float = 0.99
    standardise: bool = True  # features over the batch, both as input and as target
    # Of the mean squared correlation of two dimensions, so that copies of a feature cost this much. Our choice: at 5 (DynaMo's
    # weight, but on standardised features) 200 steps on Push-T whitened them until little of the state could be read.
    redundancy_weight: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.target in ("simsiam", "ema"), f"target '{self.target}' is none of simsiam, ema")


# our choice, for minutes on a processor
SMALL = {"window": 8, "stride": 2, "model_width": 64, "blocks": 2, "batch_size": 8, "lr": 1e-3, "weight_decay": 1e-4}
SMOKE = SMALL | {"window": 4, "stride": 1, "model_width": 16, "blocks": 1, "batch_size": 4, "width": WIDTHS["smoke"]}


class RPT(Method):
    """Masked prediction of an encoder's own features. Policies see the encoder.

    Features that are predicted from features can become predictable by becoming the same, which the DynaMo paper does not
    mention. The guard: targets are detached, and standardised over the batch, so that a constant earns nothing, and correlated
    dimensions cost a little, so that copies of one easy feature do not pay.
    """

    name = "rpt"
    Config = RPTConfig
    source = "RPT (Radosavovic et al. 2023) on observation tokens, as in the DynaMo paper, section 4.2"
    presets = {
        "smoke": SMOKE,
        "quick": SMALL | {"width": WIDTHS["quick"]},
        "standard": SMALL | {"width": WIDTHS["standard"]},
        # The DynaMo paper gives no number. Learning rate and batch are DynaMo's, the transformer and its decay RPT's; RPT's
        # batch of 4096 sequences is for stored features. As many passes over the frames as BYOL's 200 epochs.
        "paper": {"lr": 1e-4, "weight_decay": 0.01, "batch_size": 64, "epochs": 12.5},
    }
    variants = {"no_guard": {"standardise": False, "redundancy_weight": 0.0}, "ema": {"target": "ema"}}

    def __init__(self, config: RPTConfig, data: DataSpec):
        super().__init__(config, data)
        slots = [("vision", self.encoder.dim)] * len(data.views)
        self.sequence = MaskedSequence(slots, config)
        self.heads = Heads(slots, config.model_width)
        self.target = EMA(self.encoder) if config.target == "ema" else None

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=config.window, stride=config.stride)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        config = self.config
        features = self._features(self.encoder, batch.frames)
        targets = features.detach() if self.target is None else self._features(self.target, batch.frames)
        hidden = draw_masks(features.shape[:3], config.mask_low, config.mask_high, rng)
        error = self.heads.error(self.sequence(features.unbind(2), hidden), targets.unbind(2), hidden)
        redundancy = covariance(features) / (features.shape[-1] - 1)
        logs = {"error": error.detach(), "redundancy": redundancy.detach(), "spread": spread(features)}
        return error + config.redundancy_weight * redundancy, logs

    def trivial_loss(self) -> float | None:
        """The mean for every masked token, of targets with unit variance; without that, a constant encoder has no error."""
        return 1.0 if self.config.standardise else None

    def after_step(self, step: int, steps: int) -> None:
        if self.target is not None:
            self.target.update(self.encoder, cosine_momentum(self.config.ema, step, steps))

    def _features(self, encoder: nn.Module, frames: Tensor) -> Tensor:
        """(B, T, V, 3, H, W) -> (B, T, V, D)."""
        features = encoder(frames.flatten(0, 2))
        return (standardise(features) if self.config.standardise else features).view(*frames.shape[:3], -1)


# ------------------------------------------------------------------------------------------------------------ sensorimotor


@dataclass
class SensorimotorConfig(SequenceConfig):
    backbones = ("frozen",)
    backbone: str = "frozen"  # what looks at images does not learn; `features` says what it is
    features: str = "imagenet"  # imagenet: torchvision's ResNet-18 | random: an untrained one, of `width`
    size: int = 224  # pixels that frames are resized to for imagenet

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.features in ("imagenet", "random"), f"features '{self.features}' is none of imagenet, random")
        require(self.size >= 32, f"size must be at least 32 pixels, not {self.size}")


class SensorimotorEncoder(Encoder):
    """Frozen features of one image, seen through the transformer.

    An encoder is given single images: no history, no proprioception, no action. So the transformer is run as it was trained,
    on a whole window, with everything masked that it is not given: all but one visual token, at the last step. What it makes of
    that token is the feature. The original gives it the whole history, and then fine-tunes it.
    """

    def __init__(self, config: SensorimotorConfig, slots: Sequence[tuple[str, int]], trunk: ConvEncoder):
        super().__init__()
        self.trunk = trunk.requires_grad_(False)
        self.scale = nn.BatchNorm1d(trunk.dim, affine=False)
        self.sequence = MaskedSequence(slots, config)
        self.dim = config.model_width
        self.context = config.window
        self.sizes = [size for _, size in slots]

    def train(self, mode: bool = True) -> SensorimotorEncoder:
        super().train(mode)
        self.trunk.eval()
        return self

    @property
    def description(self) -> str:
        return f"transformer of {self.context} steps over a frozen {self.trunk.description}"

    def visual(self, images: Tensor) -> Tensor:
        """Frozen features, every dimension standardised."""
        return self.scale(self.trunk(images))

    def pooled(self, images: Tensor) -> Tensor:
        vision = self.visual(images)
        n, slots = len(vision), len(self.sizes)
        tokens = [vision.new_zeros(n, self.context, size) for size in self.sizes]
        tokens[0][:, -1] = vision
        hidden = torch.ones(n, self.context, slots, dtype=torch.bool, device=images.device)
        hidden[:, -1, 0] = False
        return at_least_float32(self.sequence(tokens, hidden)[:, -1, 0])


class RPTSensorimotor(Method):
    """Masked prediction over frozen visual features, proprioception and actions, all standardised. One token per camera.

    The original's features are MVP's ViT; here they are the ResNet-18 of ImageNet, whose licence lets anyone use them.
    """

    name = "rpt_sensorimotor"
    Config = SensorimotorConfig
    source = "RPT (Radosavovic et al. 2023), sections 2 and 3"
    presets = {
        "smoke": SMOKE | {"features": "random"},
        "quick": SMALL | {"width": WIDTHS["quick"], "size": 112},
        "standard": SMALL | {"width": WIDTHS["standard"], "size": 112},
        # RPT, section 3: 4e-4, 0.01, 300 epochs of which 50 are warm-up. Its batch of 4096 sequences is for stored features;
        # ours are computed anew in every step. As many passes over the frames as BYOL's 200 epochs.
        "paper": {"lr": 4e-4, "weight_decay": 0.01, "batch_size": 256, "epochs": 12.5, "warmup": 1 / 6},
    }
    variants = {"random_features": {"features": "random"}}

    def __init__(self, config: SensorimotorConfig, data: DataSpec):
        super().__init__(config, data)
        if config.features == "imagenet":
            load(RESNET18_IMAGENET, cast(SensorimotorEncoder, self.encoder).trunk.trunk)
        self.heads = Heads(_slots(config, data), config.model_width)

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        trunk = ResNet18() if config.features == "imagenet" else ResNet18(config.width)
        size = config.size if config.features == "imagenet" else None
        return SensorimotorEncoder(config, _slots(config, data), ConvEncoder(trunk, size=size))

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=config.window, stride=config.stride, actions=True, proprio=True)

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        return unavailable_reason(RESNET18_IMAGENET) if config.features == "imagenet" else None

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        return {RESNET18_IMAGENET.file: content(RESNET18_IMAGENET)} if config.features == "imagenet" else {}

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        config, encoder = self.config, cast(SensorimotorEncoder, self.encoder)
        shape = batch.frames.shape[:3]
        vision = encoder.visual(batch.frames.flatten(0, 2)).view(*shape, -1)
        tokens = [*vision.unbind(2), *(in_deviations(x) for x in (batch.proprio, batch.actions) if x.shape[-1])]
        hidden = draw_masks((shape[0], shape[1], len(tokens)), config.mask_low, config.mask_high, rng)
        return self.heads.error(encoder.sequence(tokens, hidden), tokens, hidden), {}

    def trivial_loss(self) -> float:
        """The mean for every masked token; all have unit variance."""
        return 1.0


def _slots(config: SensorimotorConfig, data: DataSpec) -> list[tuple[str, int]]:
    """Kinds and sizes of the tokens of a time step. A robot that does not report itself has no token for it."""
    visual = 8 * (64 if config.features == "imagenet" else config.width)
    others = [("proprio", data.proprio_dim), ("action", data.action_dim)]
    return [("vision", visual)] * len(data.views) + [slot for slot in others if slot[1]]
