"""Demonstrations, their environment, and the features of their frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark import registry
from benchmark.contracts.environment import EnvConfig, Environment
from benchmark.core.typed import from_json
from benchmark.data.episodes import Demos, open_demos
from benchmark.stages.base import Artifact, Context
from benchmark.stages.params import collect, demos


def load_demos(context: Context[Any]) -> Demos:
    return open_demos(context.inputs["demos"].folder)


def environment_of(artifact: Artifact) -> tuple[type[Environment], EnvConfig]:
    """The environment that demonstrations were made in."""
    params = artifact.params(collect.Params if artifact.manifest.kind == "collect" else demos.Params)
    return environment(params.env, params.config)


def environment(name: str, config: dict[str, Any]) -> tuple[type[Environment], EnvConfig]:
    cls = registry.envs().get(name)
    return cls, from_json(cls.Config, config)


def load_features(context: Context[Any]) -> np.ndarray:
    """A row per time step of the demonstrations, memory-mapped."""
    return np.load(context.inputs["features"].folder / "features.npy", mmap_mode="r", allow_pickle=False)
