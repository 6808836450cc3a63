"""DINO (Caron et al. 2021): a student learns how its own moving average assigns the other view to learned prototypes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.specs import require, require_sizes
from benchmark.core.collective import average
from benchmark.methods._shared.two_view import QUICK, SMOKE, STANDARD, MomentumConfig, MomentumMethod, paper
from benchmark.models.collapse import spread
from benchmark.models.precision import at_least_float32


@dataclass
class DINOConfig(MomentumConfig):
    crop: float = 0.14  # what github.com/facebookresearch/dino advises without local crops
    ema: float = 0.996
    hidden: int = 2048
    bottleneck: int = 256
    out: int = 4096  # prototypes; 65536 for ImageNet, far more than demonstrations can fill
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04  # lower than the student's: sharpening
    center: float = 0.9  # momentum of the centre that is taken from the teacher's outputs

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "bottleneck")
        require(min(self.student_temperature, self.teacher_temperature) > 0, "temperatures must be positive")
        require(0 <= self.center <= 1, f"center is a momentum between 0 and 1, not {self.center}")


class DINO(MomentumMethod):
    """Two global views and no local ones: all frames are small already. The last layer is not frozen in the first epoch."""

    name = "dino"
    Config = DINOConfig
    source = "DINO (Caron et al. 2021)"
    presets = {
        "smoke": SMOKE | {"bottleneck": 8, "out": 32},
        # The learning rate is twice what its rule for AdamW gives, 5e-4 x batch / 256. At eight times as much, all images
        # were assigned alike after 100 steps.
        "quick": QUICK | {"bottleneck": 64, "out": 512, "lr": 2.5e-4, "clip": 3.0},
        "standard": STANDARD | {"bottleneck": 128, "out": 1024, "lr": 2.5e-4, "clip": 3.0},
        # The repository's recipe for a ResNet: SGD at 0.03 x batch / 256, 1e-4 throughout, clipped at 3, 10 of 100 epochs of
        # warm-up. Batch and epochs are BYOL's in the DynaMo paper.
        **paper(optimizer="sgd", lr=0.06, weight_decay=1e-4, batch_size=512, epochs=200, clip=3.0),
    }
    variants = {**MomentumMethod.variants, "no_centering": {"center": 1.0}, "over_time": {"offset": 1}}

    centre: Tensor

    def __init__(self, config: DINOConfig, data: DataSpec):
        super().__init__(config, data)
        self.register_buffer("centre", torch.zeros(config.out))

    def build_projector(self) -> nn.Module:
        return Prototypes(self.encoder.dim, self.config.hidden, self.config.bottleneck, self.config.out)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        views = self.views(batch, rng)
        student = [self.projector(self.encoder(view)) for view in views]
        teacher = [self.target(view) for view in views]
        loss = (self.cross_entropy(teacher[0], student[1]) + self.cross_entropy(teacher[1], student[0])) / 2
        momentum = self.config.center
        self.centre.copy_(momentum * self.centre + (1 - momentum) * average(torch.cat(teacher).mean(0)))
        usage = average(torch.softmax(torch.cat(teacher) / self.config.teacher_temperature, -1).mean(0))
        return loss, {"prototypes_in_use": torch.exp(-torch.xlogy(usage, usage).sum()), "spread": spread(student[0])}

    def trivial_loss(self) -> float:
        """All prototypes alike for every image. Training starts below: the teacher, not yet centred, is sharp."""
        return math.log(self.config.out)

    def cross_entropy(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Of the student's assignment to the teacher's, centred with what the teacher said in the steps before."""
        assigned = torch.softmax((teacher - self.centre) / self.config.teacher_temperature, dim=-1)
        return -(assigned * F.log_softmax(student / self.config.student_temperature, dim=-1)).sum(-1).mean()


class Prototypes(nn.Module):
    """Three layers into a bottleneck on the unit sphere, then cosines to unit prototypes: DINO's head, last layer of fixed
    norm. Where the original's weight norm gives the directions a length of 1, these are normalised, which is the same function
    and lets the teacher be copied. They start as `nn.Linear` does, with rows of norm 0.58: steps of AdamW are as long for any
    length of a row, so that from `torch.randn`, with a norm of 16, prototypes would hardly turn.
    """

    def __init__(self, inputs: int, hidden: int, bottleneck: int, prototypes: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False).weight

    def forward(self, x: Tensor) -> Tensor:
        """Cosines in full precision: the teacher's temperature multiplies their errors by 25."""
        x = at_least_float32(self.layers(x))
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(F.normalize(x, dim=-1), F.normalize(self.prototypes, dim=-1))
