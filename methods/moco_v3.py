"""MoCo-v3: contrast each view with the batch of the other one, keys from a momentum encoder, no queue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.specs import require
from benchmark.core.collective import gather, rank
from benchmark.methods._shared.two_view import QUICK, SMOKE, STANDARD, MomentumConfig, MomentumMethod, paper
from benchmark.models.collapse import spread
from benchmark.models.precision import at_least_float32


@dataclass
class MoCoV3Config(MomentumConfig):
    crop: float = 0.2  # as all ResNet recipes of github.com/facebookresearch/moco-v3
    temperature: float = 1.0  # as they do for ResNets; 0.2 for ViTs

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.temperature > 0, f"temperature must be positive, not {self.temperature}")


class MoCoV3(MomentumMethod):
    """The reference updates its momentum encoder just before it computes the keys of a step. Here that happens right after the
    optimiser's step before, which is the same: nothing lies in between.
    """

    name = "moco_v3"
    Config = MoCoV3Config
    source = "MoCo-v3 (Chen et al. 2021), DynaMo paper, Table 12"
    presets = {
        "smoke": SMOKE,
        "quick": QUICK | {"temperature": 0.2},  # 1.0 hardly pulls at a batch of 64: the loss cannot fall below log(1 + 63/e^2)
        "standard": STANDARD | {"temperature": 0.2},
        # Epochs: appendix B.1. Whether the table's learning rate is before or after scaling with the batch (by four) is not
        # stated: taken as it stands. Warm-up: 10 epochs, the reference's default.
        **paper(optimizer="lars", lr=0.6, weight_decay=1e-6, batch_size=1024, epochs=200, warmup=0.05),
    }
    zero_residuals = True  # github.com/facebookresearch/moco-v3, main_moco.py
    variants = {**MomentumMethod.variants, "over_time": {"offset": 1}}

    def __init__(self, config: MoCoV3Config, data: DataSpec):
        from lightly.models.modules.heads import ProjectionHead

        super().__init__(config, data)
        hidden, out = config.hidden, config.out
        self.predictor = ProjectionHead(
            [(out, hidden, nn.BatchNorm1d(hidden), nn.ReLU(), False), (hidden, out, None, None, False)]
        )

    def build_projector(self) -> nn.Module:
        """The heads that the reference gives a ResNet: no linear layer has a bias, the last norm no weights."""
        from lightly.models.modules.heads import ProjectionHead

        dim, hidden, out = self.encoder.dim, self.config.hidden, self.config.out
        last = nn.BatchNorm1d(out, affine=False)
        return ProjectionHead([(dim, hidden, nn.BatchNorm1d(hidden), nn.ReLU(), False), (hidden, out, last, None, False)])

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        first, second = self.views(batch, rng)
        queries = [self.predictor(self.projector(self.encoder(view))) for view in (first, second)]
        keys = [self.target(view) for view in (first, second)]
        temperature = self.config.temperature
        loss = contrast(queries[0], keys[1], temperature) + contrast(queries[1], keys[0], temperature)
        return loss, {"spread": spread(queries[0])}

    def trivial_loss(self) -> float:
        """A query is equally similar to every key: twice `contrast`, of a batch with one image per window and camera."""
        return 4 * self.config.temperature * math.log(self.config.batch_size * len(self.data.views))


def contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross entropy of each query with its own key against the batch's other keys, times 2T (MoCo-v3, algorithm 1).

    Unlike NT-Xent, no query is contrasted with another query.
    """
    queries, keys = (F.normalize(at_least_float32(x), dim=1) for x in (queries, keys))
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries @ gather(keys).T / temperature
    own = torch.arange(len(logits), device=logits.device) + rank() * len(logits)
    return 2 * temperature * F.cross_entropy(logits, own)
