"""LeWorldModel (arXiv 2603.19312): predict the next embedding from the last ones and the true actions; Gaussian embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.contracts.specs import require, require_probabilities, require_sizes
from benchmark.models.collapse import spread
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.precision import at_least_float32
from benchmark.models.sigreg import sigreg
from benchmark.models.units import in_deviations


@dataclass
class LeWMConfig(MethodConfig):
    """Sizes and weights of the release, github.com/lucas-maes/le-wm, config/train."""

    history: int = 3
    frameskip: int = 5  # time steps between frames; all actions in between are given
    embedding: int = 192
    hidden: int = 2048  # of projectors and of the predictor's perceptrons
    blocks: int = 6
    heads: int = 16
    head_width: int = 64
    dropout: float = 0.1
    sigreg_weight: float = 0.09
    slices: int = 1024  # random directions per step
    stop_gradient: bool = False  # of the target; the method needs none

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "history", "frameskip", "embedding", "hidden", "heads", "head_width", "slices")
        require_probabilities(self, "dropout")
        require(self.sigreg_weight >= 0, f"sigreg_weight must not be negative, not {self.sigreg_weight}")


# our choice, for minutes on a processor
SMALL = {"frameskip": 1, "embedding": 64, "hidden": 256, "blocks": 2, "heads": 4, "head_width": 16, "dropout": 0.0}
SMALL |= {"batch_size": 16, "lr": 1e-3, "weight_decay": 1e-4, "clip": 1.0, "slices": 256}


class LeWM(Method):
    """Loss: squared error of the predicted embedding, plus SIGReg on the embeddings of each moment. Gradient flows through the
    target too: SIGReg alone keeps embeddings from shrinking to a point.

    Policies see the encoder, as in every row; the world model itself works on the projection above it. Cameras are sequences of
    their own that share the actions. lightly's `LeWMLoss` detaches the target, which the release does not.
    """

    name = "lewm"
    Config = LeWMConfig
    source = "LeWorldModel (Maes et al. 2026)"
    presets = {
        "smoke": SMALL | {"width": WIDTHS["smoke"], "embedding": 16, "hidden": 32, "blocks": 1, "slices": 16},
        "quick": SMALL | {"width": WIDTHS["quick"]},
        "standard": SMALL | {"width": WIDTHS["standard"]},
        # The release has patches of 14 pixels, this ViT-Ti of 16. It warms up for 1 % of the run, the default of the scheduler
        # it names.
        "paper": {"backbone": "vit_tiny", "lr": 5e-5, "weight_decay": 1e-3, "batch_size": 128, "epochs": 100}
        | {"clip": 1.0, "warmup": 0.01},
    }
    variants = {"no_sigreg": {"sigreg_weight": 0.0}, "stop_gradient": {"stop_gradient": True}}

    def __init__(self, config: LeWMConfig, data: DataSpec):
        from lightly.models.modules.heads import LeWMProjectionHead

        super().__init__(config, data)
        width = config.embedding
        self.projector = LeWMProjectionHead(self.encoder.dim, config.hidden, width)
        self.actions = nn.Sequential(
            nn.Linear(config.frameskip * data.action_dim, 10),
            nn.Linear(10, 4 * width),
            nn.SiLU(),
            nn.Linear(4 * width, width),
        )
        self.positions = nn.Parameter(torch.randn(config.history, width))
        self.blocks = nn.ModuleList(ConditionedBlock(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(width)
        self.head = LeWMProjectionHead(width, config.hidden, width)

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=config.history + 1, stride=config.frameskip, actions=True, between=True)

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        embedded = self.embed(batch.frames)
        predicted = self.predict(embedded[:, :-1], self.condition(batch.actions, batch.frames.shape[2]))
        target = embedded[:, 1:].detach() if self.config.stop_gradient else embedded[:, 1:]
        error = F.mse_loss(predicted, target)
        regulariser = sigreg(embedded.transpose(0, 1), self.config.slices, rng)
        logs = {"error": error.detach(), "sigreg": regulariser.detach(), "spread": spread(embedded)}
        return error + self.config.sigreg_weight * regulariser, logs

    def trivial_loss(self) -> float | None:
        """Every embedding at the origin: nothing to predict, as far from a Gaussian as a batch can be."""
        batch = torch.zeros(self.config.batch_size * len(self.data.views), self.config.embedding)
        return self.config.sigreg_weight * float(sigreg(batch, 1, torch.Generator())) or None

    def embed(self, frames: Tensor) -> Tensor:
        """(B, T, V, 3, H, W) -> (B V, T, D)."""
        b, t, v = frames.shape[:3]
        embedded = at_least_float32(self.projector(self.encoder(frames.flatten(0, 2))))
        return embedded.view(b, t, v, -1).transpose(1, 2).flatten(0, 1)

    def condition(self, actions: Tensor, views: int) -> Tensor:
        """(B, history x frameskip + 1, A) -> (B V, history, D): the actions from each frame up to the next, standardised."""
        blocks = in_deviations(actions[:, :-1]).unflatten(1, (self.config.history, self.config.frameskip)).flatten(2)
        return self.actions(blocks).repeat_interleave(views, 0)

    def predict(self, embedded: Tensor, condition: Tensor) -> Tensor:
        """The embedding after each of (N, history, D), from those up to it."""
        x = embedded + self.positions
        for block in self.blocks:
            x = block(x, condition)
        return at_least_float32(self.head(self.norm(x).flatten(0, 1))).view(embedded.shape)


class ConditionedBlock(nn.Module):
    """A causal transformer block whose norms are shifted, scaled and gated by the action of the time step (AdaLN-zero, DiT).

    It is the identity at the start. The attention is wider than the stream, as in the release: 16 heads of 64 on 192.
    """

    def __init__(self, config: LeWMConfig):
        super().__init__()
        width, inner = config.embedding, config.heads * config.head_width
        self.heads, self.dropout = config.heads, config.dropout
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.query_key_value = nn.Linear(width, 3 * inner, bias=False)
        self.project = nn.Sequential(nn.Linear(inner, width), nn.Dropout(config.dropout))
        self.mlp = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, width),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.modulation(F.silu(condition)).chunk(6, dim=-1)
        x = x + gate * self._attend(self.norm(x) * (1 + scale) + shift)
        return x + mlp_gate * self.mlp(self.norm(x) * (1 + mlp_scale) + mlp_shift)

    def _attend(self, x: Tensor) -> Tensor:
        q, k, v = self.query_key_value(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.project(attended.transpose(1, 2).flatten(2))
