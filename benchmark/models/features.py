"""Features of raw observations: the only way to them, for embeddings, for training and for rollouts."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.contracts.data import DataSpec, Observations
from benchmark.contracts.encoder import Encoder, FusedEncoder
from benchmark.contracts.method import Method
from benchmark.contracts.specs import feature_parts
from benchmark.core.errors import BenchmarkError
from benchmark.models.precision import at_least_float32, autocast


@torch.no_grad()
def encode(encoder: Encoder, observations: Observations, kind: str = "pooled", precision: str = "fp32") -> Tensor:
    """Features as rollouts see them: in evaluation mode, without gradients, float32 whatever they are computed in."""
    raw = observations.state if encoder.reads == "state" else observations.frames
    with autocast("cpu" if raw is None else raw.device, precision):
        return at_least_float32(features_of(encoder.eval(), observations, kind))


def frozen_of(encoder: FusedEncoder, observations: Observations) -> Tensor:
    """(N, V, numbers): what the frozen part of an encoder makes of N observations, for `features_of` to be told."""
    assert observations.frames is not None
    return encoder.frozen(images_of(encoder, observations.frames)).unflatten(0, (len(observations.frames), -1))


def features_of(encoder: Encoder, observations: Observations, kind: str = "pooled", frozen: Tensor | None = None) -> Tensor:
    """(N, D) features of N observations on the encoder's device.

    `kind` names a feature of the encoder, or several joined by '+', such as layer3+layer4. `patch@3` is one averaged down to a
    grid of 3 x 3. Maps and tokens are flattened; one kind after the other, and in each one view after the other. An encoder
    that reads the state has nothing but that state. Rows that are not valid become NaN, which nobody overlooks. `frozen` is
    what `frozen_of` says of the same observations, where it is at hand.
    """
    raw = observations.state if encoder.reads == "state" else observations.frames
    if raw is None:
        raise ValueError(f"a {type(encoder).__name__} reads {encoder.reads}, and the observations have none")
    if encoder.reads == "state":
        flat = encoder.pooled(raw)
    else:
        wanted = feature_parts(kind)
        images, names = images_of(encoder, raw), [name for name, _ in wanted]
        told = observations.told
        if frozen is not None:
            assert isinstance(encoder, FusedEncoder)
            features = encoder.fused(images, frozen.flatten(0, 1), names)
        elif told is None:
            features = encoder.features(images, names)
        else:
            features = encoder.towards(images, told.expand(-1, raw.shape[1], *told.shape[2:]).flatten(0, 1), names)
        flat = torch.cat([_on_grid(features[name], grid).reshape(len(raw), -1) for name, grid in wanted], dim=1)
    return flat if observations.valid is None else flat.masked_fill(~observations.valid[:, None], torch.nan)


def read_goal(encoder: Encoder, goal: Tensor) -> Tensor:
    """What an encoder makes of N goals, as `Observations.told`: of (N, V, H, W, 3) frames, view by view, or (N, G) numbers."""
    if goal.ndim == 2:
        return encoder.read_goal(goal)[:, None]
    return encoder.read_goal(images_of(encoder, goal)).unflatten(0, (len(goal), -1))


@torch.no_grad()
def encode_goal(encoder: Encoder, goal: Tensor, precision: str = "fp32") -> Tensor:
    """The same as rollouts see it."""
    with autocast(goal.device, precision):
        return at_least_float32(read_goal(encoder.eval(), goal))


def parts_of(encoder: Encoder, kind: str, views: int, resolution: int) -> tuple[int, int]:
    """The (views, tokens) of `PolicySpec` that the features `kind` are made of. Maps are not: they lie channel by channel.
    A view and its depth are one."""
    wanted = feature_parts(kind)
    if encoder.reads == "state" or len(wanted) > 1 or wanted[0][0] not in ("pooled", "patch"):
        return 1, 1
    (name, side) = wanted[0]
    views = views // 2 if encoder.with_depth else views
    if name == "pooled":
        return views, encoder.tokens
    return views, side**2 if side else encoder.feature_shapes(resolution)["patch"][0]


def images_of(encoder: Encoder, frames: Tensor) -> Tensor:
    """(N, V, H, W, 3) -> (N V, 3, H, W), channels last in memory, without a copy; or, where it takes depth with colours,
    (N V / 2, 6, H, W)."""
    if encoder.with_depth:
        frames = frames.unflatten(1, (-1, 2)).movedim(2, -2).flatten(-2)
    return frames.flatten(0, 1).permute(0, 3, 1, 2)


def why_no_features(method: type[Method], config: Any, data: DataSpec, kind: str) -> str | None:
    """Which of the named features this method's encoder lacks, before anything is trained, allocated or drawn; or None."""
    if kind == "pooled" and config.surely_builds():  # which all have; a network of timm's has to be looked at
        return None
    try:
        with torch.device("meta"):
            encoder = method.build_encoder(config, data)
        if encoder.reads == "frames":
            encoder.check_features([name for name, _ in feature_parts(kind)])
    except BenchmarkError as error:
        return str(error)
    return None


def _on_grid(feature: Tensor, side: int | None) -> Tensor:
    """Tokens (N, places, D) or a map (N, D, h, w), averaged over the cells of a grid; in the layout it came in."""
    if side is None:
        return feature
    if feature.ndim == 4:
        return F.adaptive_avg_pool2d(feature, side)
    places = math.isqrt(feature.shape[1])
    square = feature.transpose(1, 2).unflatten(2, (places, places))
    return F.adaptive_avg_pool2d(square, side).flatten(2).transpose(1, 2)
