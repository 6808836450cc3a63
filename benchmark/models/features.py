"""Features of raw observations: the only way to them, for embeddings, for training and for rollouts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from benchmark.contracts.data import DataSpec, Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method
from benchmark.core.errors import UnknownName


@torch.no_grad()
def encode(encoder: Encoder, observations: Observations, kind: str = "pooled") -> Tensor:
    """Features as rollouts see them: in evaluation mode, without gradients."""
    return features_of(encoder.eval(), observations, kind)


def features_of(encoder: Encoder, observations: Observations, kind: str = "pooled") -> Tensor:
    """(N, D) features of N observations on the encoder's device.

    `kind` names a feature of the encoder, or several joined by '+', such as layer3+layer4. Maps and tokens are flattened; one
    kind after the other, and in each one view after the other. An encoder that reads the state has nothing but that state.
    Rows that are not valid become NaN: whoever uses one by mistake will notice.
    """
    raw = observations.state if encoder.reads == "state" else observations.frames
    if raw is None:
        raise ValueError(f"a {type(encoder).__name__} reads {encoder.reads}, and the observations have none")
    if encoder.reads == "state":
        flat = encoder.pooled(raw)
    else:
        names = kind.split("+")
        features = encoder.features(raw.flatten(0, 1).permute(0, 3, 1, 2), names)  # channels last in memory, without a copy
        flat = torch.cat([features[name].reshape(len(raw), -1) for name in names], dim=1)
    return flat if observations.valid is None else flat.masked_fill(~observations.valid[:, None], torch.nan)


def why_no_features(method: type[Method], config: Any, data: DataSpec, kind: str) -> str | None:
    """Which of the named features this method's encoder lacks, before anything is trained, allocated or drawn; or None."""
    if kind == "pooled":  # which all have
        return None
    with torch.device("meta"):
        encoder = method.build_encoder(config, data)
    try:
        if encoder.reads == "frames":
            encoder.check_features(kind.split("+"))
    except UnknownName as error:
        return str(error)
    return None
