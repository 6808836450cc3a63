"""A recipe that yields an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.specs import Presets, require, require_sizes
from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.core.errors import UnknownName

BACKBONES = ("resnet18", "vit_tiny", "vit_small", "vit_base")  # what `benchmark.models.encoders.build_backbone` can build

# What a method without presets of its own gets: the width that every row of a preset has, at a batch that it can afford
SIZES: Presets = {"smoke": {"width": 8, "batch_size": 16}, "quick": {"width": 16}, "standard": {"width": 32}}


@dataclass(frozen=True)
class BatchSpec:
    """What a method eats."""

    window: int = 1  # frames per sample
    stride: int = 1  # time steps between them
    images: int = 1  # that a step makes of each frame, e.g. two crops; `plan` asks for their memory
    min_views: int = 1  # an environment with fewer views is refused before any work starts
    actions: bool = False
    between: bool = False  # the actions are those of all time steps up to the last frame, not only of the frames'
    proprio: bool = False


@dataclass
class MethodConfig(TrainingConfig):
    """Fields every method has; a method's Config inherits and adds its own switches.

    The budget is not here: `pretrain.frames | steps | epochs` sets it, and `epochs` below is what the literature uses, taken
    when none of the three is given.
    """

    backbones: ClassVar[tuple[str, ...]] = BACKBONES  # that `backbone` may name; a method with others of its own lists them
    backbone: str = "resnet18"
    width: int = 64  # channels of the first ResNet stage; 64 is the ResNet-18 of the literature (512-d features)
    batch_size: int = 64  # windows per step
    epochs: float = 40
    warmup: float = 0.1
    schedule: str = "cosine"
    init: str = "scratch"  # scratch | imagenet: where the backbone starts; the latter is a ResNet-18 of width 64
    on: str = ""  # an environment on whose demonstrations it is pretrained; empty: on those of the one it is used in
    equal_steps: bool = False  # a budget of frames buys one step per 64 of them, however many a step really reads

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "width")
        if self.backbone not in self.backbones:
            self._check_backbone()
        require(self.init in ("scratch", "imagenet"), f"init '{self.init}' is none of scratch, imagenet")
        # oneDNN (that of torch 2.15) writes past its memory in narrower convolutions on processors without AVX-512
        require(self.backbone != "resnet18" or self.width >= 8, f"width must be at least 8, not {self.width}")
        resnet18 = self.backbone == "resnet18" and self.width == 64
        require(self.init == "scratch" or resnet18, "init=imagenet needs backbone=resnet18 and width=64, as published")

    def surely_builds(self) -> bool:
        """Whether nothing can be wrong with its encoder: then a plan does not import libraries of networks to build it."""
        return self.backbone in self.backbones

    def _check_backbone(self) -> None:
        """A backbone that is not ours is a network of timm's, which has the width of its name."""
        import timm  # not above: whoever names none of its networks has no use for a second of imports

        if self.backbones is not BACKBONES:
            raise UnknownName("backbone", self.backbone, self.backbones)
        if not timm.is_model(self.backbone):
            known = dict.fromkeys([*BACKBONES, *timm.list_models()])
            raise UnknownName("backbone", self.backbone, known, f"{', '.join(BACKBONES)}, and timm.list_models()")


class Method(nn.Module, ABC):
    """A recipe that yields an encoder, by training on demonstrations or from published weights.

    A trainable method implements `build_encoder`, `batch_spec` and `loss`, usually `after_step` (target networks) or `groups`
    (several optimisers). A fixed one sets `learns = False` and implements `build_encoder` only. The module is constructed on
    the CPU under a seeded global generator, then moved; everything random in `loss` must come from `rng` (dropout may use the
    global generator: it is seeded per step as well), so that a run can stop anywhere and go on bit-exactly.

    Several processes may compute a part of a batch each. A loss that is a mean over windows need not know. Where it looks at
    the batch as a whole (negatives, covariances), `core/collective.py` has `gather` and `average`, and `rand` draws what
    differs from window to window; `models/losses.py` does so already.

    On CUDA a step may be captured as a graph and replayed: numbers that `loss` computes in Python, and branches it takes there,
    stay what they were in the captured step, so whatever changes from step to step must be a tensor. `after_step` runs outside
    of the graph, in every step, and may be any Python, but what `loss` reads it must change in place (`copy_`, `mul_`).
    """

    name: ClassVar[str]
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    presets: ClassVar[Presets] = SIZES
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # named ablations: variant -> overrides of Config fields
    learns: ClassVar[bool] = True
    privileged: ClassVar[bool] = False  # sees the simulator state; shown apart in tables
    joint: ClassVar[bool] = False  # its encoder learns with the policy and in no other way
    goals: ClassVar[tuple[str, ...]] = ()  # words of `fit.goal` under which its encoder takes goals; empty: it takes none
    standardised: ClassVar[bool] = True  # False: its features before training have no scale that those after it will have
    floor: ClassVar[bool] = False  # what every other row must rise above; shown apart in tables
    addressed: ClassVar[bool] = False  # its rows are `NAME:ADDRESS` and `NAME:ADDRESS@VARIANT`; NAME alone is none
    source: ClassVar[str] = ""  # paper section or repository the recipe comes from, for `list methods`

    def __init__(self, config: Any, data: DataSpec):
        super().__init__()
        self.config, self.data = config, data
        self.encoder = self.build_encoder(config, data)
        if config.init != "scratch":
            self.encoder.start_from(config.init)

    @classmethod
    @abstractmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        """The bare encoder, before any training. A stored encoder is this plus its saved tensors."""

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        """What the method eats under this config."""
        return BatchSpec()

    @classmethod
    def seeded(cls, config: Any) -> bool:
        """False: the same encoder whatever the seed, so it is built and embedded once."""
        return True

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        """None if the method can run here; otherwise what is missing and the command that fixes it."""
        return None

    @classmethod
    def at(cls, address: str) -> Mapping[str, Any]:
        """What an address sets in the Config of an addressed method. An unknown one is an error that names the nearest."""
        raise NotImplementedError(f"{cls.name} is not addressed")

    @classmethod
    def licence(cls, config: Any) -> str:
        """Of the published weights that it takes; empty where it takes none. Exported encoders carry it."""
        return ""

    @classmethod
    def joint_rate(cls, config: Any) -> float:
        """The learning rate of an encoder that learns with the policy, as a fraction of the policy's. The default is that of
        fine-tuning: 1e-5 for 1e-4 in the DynaMo paper, Tables 9 and 11."""
        return 0.1

    @classmethod
    def built_on(cls, config: Any) -> tuple[type[Method], ...]:
        """Other methods whose encoders are part of its own: their code is on its key, too."""
        return ()

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        """Every file that the method reads under this config, by name: its path, or a checksum that is known without it. The
        content is part of the key, so a file that is overwritten is never mistaken for the old one."""
        return {}

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """A scalar to minimise and named scalars to log (detached)."""
        raise NotImplementedError(f"{self.name} does not learn")

    def trivial_loss(self) -> float | None:
        """The loss of an encoder that says the same of every image, or None if that says nothing.

        It says nothing where such an encoder is the optimum (BYOL, SimSiam: their loss is zero then, so a low loss may be a
        collapse), or where the value depends on the data (MAE: a uniform patch costs nothing).
        """
        return None

    def after_step(self, step: int, steps: int) -> None:
        """Called after optimiser step number `step` (from 0) of `steps`: momentum updates go here."""

    def groups(self) -> list[ParameterGroup]:
        """The trainable parameters. Default: one group of everything that requires a gradient."""
        return [ParameterGroup("all", [p for p in self.parameters() if p.requires_grad])]
