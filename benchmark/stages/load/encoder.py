"""The encoder that a pretraining left."""

from __future__ import annotations

from safetensors.torch import load_file

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.core.typed import from_json
from benchmark.stages.base import Artifact
from benchmark.stages.params.pretrain import ENCODER, Params


def load_encoder(artifact: Artifact, spec: DataSpec) -> Encoder:
    """In evaluation mode and frozen."""
    return load_trainable_encoder(artifact, spec).eval().requires_grad_(False)


def load_trainable_encoder(artifact: Artifact, spec: DataSpec) -> Encoder:
    """What its method meant to be trained can be trained; the rest (a ViT's fixed positions, say) stays fixed."""
    params = artifact.params(Params)
    cls = registry.methods().get(params.method)
    encoder = cls.build_encoder(from_json(cls.Config, params.config), spec)
    encoder.load_state_dict(load_file(artifact.folder / ENCODER))
    return encoder
