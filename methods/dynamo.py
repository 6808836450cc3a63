"""DynaMo (Cui et al., NeurIPS 2024, arXiv 2409.12192): predict the next embedding from this one and an inferred action."""

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
from benchmark.contracts.training import ParameterGroup
from benchmark.models.collapse import spread
from benchmark.models.ema import EMA, cosine_momentum
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.losses import cosine_distance, covariance, standardise
from benchmark.models.precision import at_least_float32
from benchmark.models.transformer import Transformer
from benchmark.models.units import in_deviations


@dataclass
class Config(MethodConfig):
    """The paper's method, with the numbers of its Tables 8 and 9. From `forward` on: its ablations (Tables 6 and 7)."""

    clip: float | None = 0.1
    warmup: float = 0.125  # 5 of 40 epochs
    context: int = 5  # frames in a window
    stride: int = 1  # control steps between them
    latent_dim: int = 16  # about the number of things that move
    layers: int = 6  # of the inverse and of the forward model
    heads: int = 6
    transformer_width: int = 120
    forward_dropout: float = 0.0
    target: str = "simsiam"  # simsiam: this very encoder, detached | ema: a moving average of it
    ema_beta: float = 0.99  # at the start, rising to 1 along a cosine as in MoCo-v3
    covariance_weight: float = 0.04
    covariance_normalization: str = "dim"  # dim: divided by d, the paper's equation | mean: by d (d - 1), the release
    normalize_embedding: bool = False  # standardise embeddings over the batch before everything that follows
    forward: bool = True  # False: the latent alone must predict the embedding of its own step
    inverse: bool = True  # False: no latent, the embedding alone must predict the next
    bottleneck: bool = True  # False: latents as wide as embeddings
    covariance: bool = True
    stop_gradient: bool = True  # False: neither stop-gradient nor moving average
    inverse_target: str = "latent"  # action: regress the true action instead of predicting embeddings
    action_head: bool = False  # also regress the true action from the latent
    as_released: bool = False  # with the defects of the released code

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, choices in (
            ("target", ("simsiam", "ema")),
            ("covariance_normalization", ("dim", "mean")),
            ("inverse_target", ("latent", "action")),
        ):
            value = getattr(self, field)
            require(value in choices, f"dynamo.{field} '{value}' is none of {', '.join(choices)}")
        require(self.context >= 2, f"dynamo needs a context of at least 2 frames to have a transition, not {self.context}")
        require_sizes(self, "stride", "latent_dim", "layers", "heads", "transformer_width")
        require_probabilities(self, "forward_dropout")
        require(self.transformer_width % self.heads == 0, "dynamo.transformer_width must be divisible by dynamo.heads")
        require(0 <= self.ema_beta < 1, f"dynamo.ema_beta must lie in [0, 1), not {self.ema_beta}")
        require(self.forward or self.inverse, "dynamo without forward and without inverse has nothing to predict from")
        require(self.stop_gradient or self.target == "simsiam", "dynamo.stop_gradient=false excludes target=ema")
        require(self.inverse or not self.uses_actions, "dynamo can only be taught the true actions through its inverse model")
        require(
            not (self.action_head and self.inverse_target == "action"),
            "dynamo.action_head=true excludes inverse_target=action: the inverse model answers in actions already",
        )
        require(
            not (self.as_released and self.normalize_embedding), "dynamo's release does not know normalize_embedding: unset it"
        )
        if self.as_released:
            self.covariance_normalization = "mean"

    @property
    def uses_actions(self) -> bool:
        return self.action_head or self.inverse_target == "action"


# Our choice for minutes on a processor: a shorter context, smaller models, a larger learning rate, and embeddings standardised,
# without which a few hundred steps shrink the common mean of post-ReLU features instead of learning (effective rank 8 of 128 on
# Push-T). The covariance is a correlation then, an order of magnitude larger: at 0.04 it outweighs the dynamics.
SMALL = {
    "context": 3,
    "stride": 2,
    "layers": 2,
    "heads": 4,
    "transformer_width": 64,
    "normalize_embedding": True,
    "covariance_weight": 0.003,
    "batch_size": 32,
    "lr": 5e-4,
    "warmup": 0.1,
}
# What variants that ask about the published loss take back of SMALL.
PUBLISHED: dict[str, Any] = {"normalize_embedding": False, "covariance_weight": 0.04}


class DynaMo(Method):
    """An inverse model reads a window of embeddings and writes a small latent per transition; a forward model predicts the next
    embedding from the current one and that latent. Loss: cosine distance to the detached embedding, plus a covariance penalty.

    Faithfulness: the paper divides the covariance penalty by d (equation 1), its release by d (d - 1): 511 times weaker at the
    same weight of 0.04. The default is the equation, in small presets with embeddings standardised. In any preset
    `equation_covariance` is the equation as published, and `release_covariance` the same with the release's weighting.
    `as_released` adds what else loss and optimisation do differently in the release (github.com/jeffacce/dynamo_ssl at
    6287403): with target=ema the latents come from a copy of the inverse model that is never trained, and the target's batch
    norms keep the statistics of initialisation; the momentum moves once per epoch; encoder and inverse model stand still during
    the first epoch of the warm-up; the forward model's learning rate is constant. Not imitated: learning rates that move once
    per epoch only, and the windows its slicers lose at the end of an episode.
    """

    name = "dynamo"
    Config = Config
    source = "DynaMo, Cui et al. 2024, section 3; Tables 8 and 9"
    presets = {
        "smoke": {**SMALL, "width": WIDTHS["smoke"], "layers": 1, "transformer_width": 16, "batch_size": 4, "stride": 1},
        "quick": {**SMALL, "width": WIDTHS["quick"]},
        "standard": {**SMALL, "width": WIDTHS["standard"], "context": 5, "stride": 1},
        "paper": {},
        "paper/kitchen": {"context": 2, "latent_dim": 64},
        "paper/block_push": {
            "latent_dim": 16,
            "target": "ema",
            "forward_dropout": 0.3,
            "layers": 4,
            "heads": 4,
            "transformer_width": 72,
        },
        "paper/pusht": {"latent_dim": 8},
        "paper/libero_goal": {"latent_dim": 32, "schedule": "constant", "warmup": 0.0},
    }
    variants = {
        "no_forward": {"forward": False},
        "no_inverse": {"inverse": False},
        "no_bottleneck": {"bottleneck": False},
        "no_covariance": {"covariance": False},
        "no_stop_gradient": {"stop_gradient": False, "target": "simsiam"},
        "short_context": {"context": 2},
        "actions_only": {"inverse_target": "action"},
        "with_actions": {"action_head": True},
        "ema": {"target": "ema"},
        "simsiam": {"target": "simsiam"},
        "equation_covariance": PUBLISHED | {"covariance_normalization": "dim"},
        "release_covariance": PUBLISHED | {"covariance_normalization": "mean"},
        "as_released": PUBLISHED | {"as_released": True},
        # From ImageNet weights the paper trains these two differently than from scratch (its Tables 10 and 11).
        "imagenet_init/block_push": {"forward_dropout": 0.0},
        "imagenet_init/libero_goal": {"target": "ema", "schedule": "cosine", "warmup": 0.125},
    }

    epoch: Tensor

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        dim = self.encoder.dim
        latent = config.latent_dim if config.bottleneck else dim
        if config.inverse_target == "action":
            latent = data.action_dim
        shape = {
            "context": config.context,
            "layers": config.layers,
            "heads": config.heads,
            "width": config.transformer_width,
        }
        self.inverse_model = Transformer(dim, latent, **shape) if config.inverse else None
        self.forward_model = None
        if config.inverse_target == "latent":
            inputs = dim * config.forward + latent * config.inverse
            self.forward_model = Transformer(inputs, dim, dropout=config.forward_dropout, **shape)
        self.action_model = None
        if config.action_head:  # the paper says "MLP head" and no more; one hidden layer of 256 is our choice
            self.action_model = nn.Sequential(nn.Linear(latent, 256), nn.ReLU(), nn.Linear(256, data.action_dim))
        self.target = EMA(self.encoder) if config.target == "ema" and self.forward_model is not None else None
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))  # of config.epochs; only as_released looks at it

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        return build_backbone(config.backbone, config.width, data.resolution)

    @classmethod
    def batch_spec(cls, config: Any) -> BatchSpec:
        return BatchSpec(window=config.context, stride=config.stride, actions=config.uses_actions)

    def groups(self) -> list[ParameterGroup]:
        """Three optimisers in the release, each clipped by itself."""
        modules: dict[str, list[nn.Module | None]] = {
            "encoder": [self.encoder],
            "inverse": [self.inverse_model, self.action_model],
            "forward": [self.forward_model],
        }
        params = {name: [p for m in parts if m is not None for p in m.parameters()] for name, parts in modules.items()}
        constant = "forward" if self.config.as_released else ""
        return [ParameterGroup(name, tensors, scheduled=name != constant) for name, tensors in params.items() if tensors]

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._stands_still()):
            embeddings = self._embed(self.encoder, batch.frames)
            latents = self._latents(embeddings)
        terms = {}
        if self.forward_model is not None:
            terms["dynamics"] = cosine_distance(self._predict(embeddings, latents), self._targets(embeddings, batch.frames))
        if self.config.uses_actions:
            terms["action"] = self._action_error(latents, batch.actions)
        if self.config.covariance:
            terms["covariance"] = self.config.covariance_weight * self._covariance(embeddings)
        loss = torch.stack(list(terms.values())).sum()
        return loss, {**{name: term.detach() for name, term in terms.items()}, "spread": spread(embeddings)}

    def trivial_loss(self) -> float | None:
        """Of predicting actions, the mean action; of predicting embeddings, a constant is the optimum, which is the danger."""
        return 1.0 if self.config.inverse_target == "action" else None

    def after_step(self, step: int, steps: int) -> None:
        if self.config.as_released:
            epochs = max(1, round(self.config.epochs))
            self.epoch.fill_((step + 1) * epochs // steps)
            step, steps = step * epochs // steps, epochs
        if self.target is not None:
            self.target.update(self.encoder, cosine_momentum(self.config.ema_beta, step, steps))

    def train(self, mode: bool = True) -> DynaMo:
        super().train(mode)
        if self.config.as_released and self.target is not None:
            self.target.eval()
        return self

    def _embed(self, encoder: nn.Module, frames: Tensor) -> Tensor:
        """(B, T, V, 3, H, W) -> (B V, T, D): one encoder for all views, each view a sequence of its own."""
        b, t, v = frames.shape[:3]
        flat = encoder(frames.flatten(0, 2))
        if self.config.normalize_embedding:
            flat = standardise(flat)
        return flat.view(b, t, v, -1).transpose(1, 2).flatten(0, 1)

    def _latents(self, embeddings: Tensor) -> Tensor | None:
        """(B V, T, D) -> (B V, T - 1, Z): what the inverse model says at t, having seen t - 1 and t, is of that transition."""
        if self.inverse_model is None:
            return None
        untrained = self.config.as_released and self.target is not None
        with torch.set_grad_enabled(torch.is_grad_enabled() and not untrained):
            return self.inverse_model(embeddings)[:, 1:]

    def _predict(self, embeddings: Tensor, latents: Tensor | None) -> Tensor:
        """The embeddings at 1 to T - 1."""
        assert self.forward_model is not None
        inputs = [embeddings[:, :-1]] if self.config.forward else []
        inputs += [latents] if latents is not None else []
        return self.forward_model(torch.cat(inputs, dim=-1))

    def _targets(self, embeddings: Tensor, frames: Tensor) -> Tensor:
        if self.target is not None:
            embeddings = self._embed(self.target, frames)
        elif self.config.stop_gradient:
            embeddings = embeddings.detach()
        return embeddings[:, 1:]

    def _action_error(self, latents: Tensor | None, actions: Tensor) -> Tensor:
        """Squared error to the action at the start of each transition, in units of its standard deviation over the batch."""
        assert latents is not None
        predicted = self.action_model(latents) if self.action_model is not None else latents
        wanted = in_deviations(actions[:, :-1]).repeat_interleave(len(latents) // len(actions), 0)
        return F.mse_loss(at_least_float32(predicted), wanted)

    def _covariance(self, embeddings: Tensor) -> Tensor:
        """Over all embeddings of the batch: times and views mixed, as in the release."""
        normalizer = 1 if self.config.covariance_normalization == "dim" else embeddings.shape[-1] - 1
        return covariance(embeddings) / normalizer

    def _stands_still(self) -> bool:
        """The release starts its warm-up at a learning rate of zero and raises it once per epoch."""
        return self.config.as_released and self.config.warmup > 0 and int(self.epoch) == 0
