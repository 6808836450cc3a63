"""Features of raw observations: the only way to them, for embeddings, for training and for rollouts."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder


@torch.no_grad()
def encode(encoder: Encoder, observations: Observations, kind: str = "pooled") -> Tensor:
    """Features as rollouts see them: in evaluation mode, without gradients."""
    return features_of(encoder.eval(), observations, kind)


def features_of(encoder: Encoder, observations: Observations, kind: str = "pooled") -> Tensor:
    """(N, D) features of N observations on the encoder's device.

    `kind` names a feature of the encoder, or several joined by '+', such as layer3+layer4. Maps and tokens are flattened; one
    kind after the other, and in each one view after the other. An encoder that reads the state has one vector and no views.
    Rows that are not valid become NaN: whoever uses one by mistake will notice.
    """
    names = kind.split("+")
    encoder.check_features(names)
    raw = observations.state if encoder.reads == "state" else observations.frames
    if raw is None:
        raise ValueError(f"a {type(encoder).__name__} reads {encoder.reads}, and the observations have none")
    if encoder.reads == "state":
        features = encoder.features(raw, names)
    else:
        images = raw.flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, without a copy
        features = encoder.features(images, names)
    flat = torch.cat([features[name].reshape(len(raw), -1) for name in names], dim=1)
    return flat if observations.valid is None else flat.masked_fill(~observations.valid[:, None], torch.nan)
