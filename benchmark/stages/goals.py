"""What a goal-conditioned policy is told: in training, of each demonstration; in a rollout, by the seed of the episode.

`last` and `future` are observations, told as their features. `task` is one-hot, for environments whose episodes ask for one
task. `language` is an embedding that the demonstrations bring along as `info["language"]`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark import registry
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.specs import EnvSpec
from benchmark.core.errors import BenchmarkError
from benchmark.data.chunks import GOAL_WORDS
from benchmark.data.episodes import Demos, open_demos
from benchmark.models.agent import Agent
from benchmark.models.features import encode
from benchmark.simulation.agent import Given
from benchmark.stages.context import Context


def training_goals(kind: str, demos: Demos, spec: EnvSpec) -> str | np.ndarray | None:
    """In the form that `ChunkSampler` takes."""
    if kind == "none":
        return None
    if kind in GOAL_WORDS:
        return kind
    if kind == "task":
        return np.stack([_one_hot(info.get("task"), spec, demos.spec.env) for info in demos.infos])
    return np.stack([_language(info, demos.spec.env) for info in demos.infos])


def evaluation_goals(context: Context, encoder: Encoder, agent: Agent) -> Given:
    """Episode seed -> goal. What is shown comes from demonstrations of the same task that no training saw."""
    params, fit = context.params, context.manifests["fit"]["params"]
    cls = registry.envs().get(params["env"])
    config = cls.Config(**params["env_config"])
    spec, demos = cls.spec(config), open_demos(context.inputs["demos"])
    _, held_out = demos.split(fit["split"]["held_out"])
    tasks = [demos.infos[episode].get("task") for episode in held_out]
    if fit["goal"] in GOAL_WORDS:
        last = demos.ends[held_out] - 1
        observations = demos.observations(last, encoder.reads, params["device"])
        shown = agent.observe(encode(encoder, observations, params["features"]).float(), observations.proprio)
    elif fit["goal"] == "language":
        shown = torch.from_numpy(np.stack([_language(demos.infos[episode], cls.name) for episode in held_out]))

    def goal(seed: int) -> Tensor:
        task = cls.task(config, seed)
        if fit["goal"] == "task":
            return torch.from_numpy(_one_hot(task, spec, cls.name))
        fitting = [row for row, name in enumerate(tasks) if task in (None, name)]
        if not fitting:
            raise BenchmarkError(f"no held-out demonstration shows the goal of '{task}': record more, or raise split.held_out")
        return shown[fitting[seed % len(fitting)]]

    return goal


def _one_hot(task: str | None, spec: EnvSpec, env: str) -> np.ndarray:
    if task not in spec.tasks:
        raise BenchmarkError(f"fit.goal=task: an episode of {env} does not ask for one task (it has {task})")
    return np.array([task == name for name in spec.tasks], np.float32)


def _language(info: dict, env: str) -> np.ndarray:
    if "language" not in info:
        raise BenchmarkError(f"fit.goal=language: the demonstrations of {env} bring no embedding as info['language']")
    return np.asarray(info["language"], np.float32)
