"""The released DynaMo (github.com/jeffacce/dynamo_ssl at 6287403) in training, for scripts/compare_reference.py.

Its encoder, inverse model, forward model, loss and moving averages are imported from a checkout. Its train.py is not, because
it wants hydra, wandb and its own data sets; what that does around the loss is done here again.
"""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.bench.released import modules_of
from benchmark.contracts.data import Windows
from benchmark.contracts.encoder import as_float
from benchmark.core.errors import BenchmarkError
from benchmark.methods.dynamo import Config, DynaMo
from benchmark.models.resnet import ResNet18

MODULES = ("models.ssl.dynamo", "models.projector.inverse_dynamics", "models.encoder.resnet")
PACKAGES = ("accelerate", "einops")  # that these import
TRUNK = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")  # nn.Sequential's numbers in the release
RENAMED = (  # parts of names in the release's transformers -> in ours
    ("transformer.wte", "embed"),
    ("transformer.wpe.weight", "positions"),
    ("transformer.h", "blocks"),
    ("transformer.ln_f", "norm"),
    ("output_head", "head"),
    ("ln_1", "attention_norm"),
    ("attn.c_attn", "query_key_value"),
    ("attn.c_proj", "project"),
    ("ln_2", "mlp_norm"),
    ("mlp.c_fc", "expand"),
    ("mlp.c_proj", "contract"),
)


@dataclass(frozen=True)
class Release:
    """The classes of a checkout."""

    encoder: Any
    inverse: Any
    method: Any


def load_release(checkout: Path) -> Release:
    """The three modules that are needed."""
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # whatever the shell says: accelerate would wrap the forward model
    method, inverse, encoder = modules_of(checkout, MODULES, PACKAGES)
    return Release(encoder.resnet18, inverse.InverseDynamicsProjector, method.DynaMoSSL)


class Released:
    """Three AdamW optimisers, each clipped by itself; learning rates and momentum move once per epoch."""

    def __init__(self, release: Release, config: Config, steps: int, device: str, dtype: torch.dtype):
        self.config, self.steps, self.dtype = config, steps, dtype
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision: `pretrained` is an old name
            self.encoder = release.encoder(pretrained=False)
        if config.width != 64:
            self.encoder.resnet = nn.Sequential(*ResNet18(config.width).children(), nn.AdaptiveAvgPool2d(1))
        self.encoder.to(device, dtype)
        dim = 8 * config.width
        shape = {"n_layer": config.layers, "n_head": config.heads, "n_embd": config.transformer_width}
        adamw = {"lr": config.lr, "weight_decay": config.weight_decay, "betas": config.betas}
        self.inverse = release.inverse(
            window_size=config.context, input_dim=dim, output_dim=config.latent_dim, dropout=0.0, **shape
        ).to(device, dtype)
        self.method = release.method(
            self.encoder,
            self.inverse,
            window_size=config.context,
            feature_dim=dim,
            projection_dim=config.latent_dim,
            dropout=config.forward_dropout,
            covariance_reg_coef=config.covariance_weight,
            ema_beta=config.ema_beta if config.target == "ema" else None,
            beta_scheduling=True,
            projector_use_ema=True,
            **shape,
            **adamw,
        ).to(device, dtype)
        self.scheduled = [
            torch.optim.AdamW(self.encoder.parameters(), **adamw),  # type: ignore[arg-type]
            self.inverse.configure_optimizers(**adamw),
        ]

    def prepare(self, frames: Tensor) -> Tensor:
        return as_float(frames).to(self.dtype)

    def step(self, batch: Windows, number: int) -> tuple[Tensor, Tensor, Tensor]:
        epoch = number * round(self.config.epochs) // self.steps
        for optimizer in self.scheduled:
            for group in optimizer.param_groups:
                group["lr"] = released_rate(self.config, epoch)
        self.method.adjust_beta(epoch, round(self.config.epochs))
        *_, loss, terms = self.method(batch.frames)
        loss.backward(retain_graph=True)
        for module in (self.encoder, self.inverse, self.method):
            nn.utils.clip_grad_norm_(module.parameters(), self.config.clip or math.inf)
        for optimizer in self.scheduled:
            optimizer.step()
        self.method.step()
        for optimizer in self.scheduled:
            optimizer.zero_grad(set_to_none=True)
        return loss.detach(), terms["dynamics_loss_total"].detach(), terms["covariance_loss"].detach()


def released_rate(config: Config, epoch: int) -> float:
    """The encoder's and the inverse model's: a warm-up that starts at zero, then half a cosine, both once per epoch."""
    if config.schedule == "constant":
        return config.lr
    warm, epochs = config.warmup * config.epochs, round(config.epochs)
    if epoch < warm:
        return config.lr * epoch / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm)))


def copy_state(start: Released, method: DynaMo) -> None:
    """Every tensor of the release into ours, and none of ours is left: loading is strict, in names and in shapes."""
    pairs: list[tuple[nn.Module, nn.Module | None]] = [
        (start.encoder, method.encoder),
        (start.inverse.model, method.inverse_model),
        (start.method.forward_dynamics, method.forward_model),
    ]
    if method.target is not None:
        pairs.append((start.encoder, method.target.target))
    filled: set[int] = set()
    for theirs, ours in pairs:
        if ours is None:
            raise BenchmarkError("a variant without an inverse or a forward model has no counterpart in the release")
        try:
            ours.load_state_dict({renamed(name): tensor for name, tensor in theirs.state_dict().items()})
        except RuntimeError as error:
            raise BenchmarkError(f"a network of this variant is not that of the release: {str(error)[:300]}") from error
        filled.update(map(id, ours.parameters()))
    if left := [name for name, parameter in method.named_parameters() if id(parameter) not in filled]:
        raise BenchmarkError(f"the release has nothing for {', '.join(left)} of this variant")


def renamed(name: str) -> str:
    """What a tensor of the release is called in ours."""
    if name.startswith("resnet."):
        _, number, rest = name.split(".", 2)
        return f"trunk.{TRUNK[int(number)]}.{rest}"
    for theirs, ours in RENAMED:
        name = name.replace(theirs, ours)
    return name
