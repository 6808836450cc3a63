"""What a policy is told besides observations: in training, of each demonstration; in a rollout, by the seed of the episode.

`last` and `future` are observations, told as their features. `task` is one-hot, for environments whose episodes ask for one
task. `language` is an embedding that the demonstrations bring along as `info["language"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.specs import EnvSpec
from benchmark.core.errors import BenchmarkError
from benchmark.data.chunks import GOAL_WORDS
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.features import encode, encode_goal
from benchmark.stages.base import Context
from benchmark.stages.load.demos import environment_of, load_demos
from benchmark.stages.params.fit import Params as FitParams

if TYPE_CHECKING:  # what acts is on no fit's key
    from benchmark.simulation.agent import Given


def training_goals(kind: str, demos: Demos, spec: EnvSpec) -> str | np.ndarray | None:
    """In the form that `ChunkSampler` takes."""
    if kind == "none":
        return None
    if kind in GOAL_WORDS:
        return kind
    if kind == "task":
        return np.stack([_one_hot(info.get("task"), spec, demos.spec.env) for info in demos.infos])
    return np.stack([_language(info, demos.spec.env) for info in demos.infos])


def training_language(demos: Demos) -> np.ndarray:
    """(episodes, L), for a policy that takes language by itself."""
    return np.stack([_language(info, demos.spec.env) for info in demos.infos])


def evaluation_goals(context: Context[Any], kind: str, encoder: Encoder, agent: Agent) -> Given | None:
    """The goal of an episode; observations are told as the features `kind`."""
    goal = context.inputs["policy"].params(FitParams).goal
    if goal == "none" or encoder.takes_goal:
        return None
    if goal in GOAL_WORDS:
        observations = _last_held_out(context, encoder)
        features = encode(encoder, observations, kind, context.facts["precision"])
        return _of_a_held_out_demonstration(context, agent.observe(features, observations.proprio))
    return _in_numbers(context, goal)


def evaluation_told(context: Context[Any], encoder: Encoder) -> Given | None:
    """What an encoder that takes goals makes of that of an episode."""
    goal, precision = context.inputs["policy"].params(FitParams).goal, context.facts["precision"]
    if goal == "none" or not encoder.takes_goal:
        return None
    if goal in GOAL_WORDS:
        frames = _last_held_out(context, encoder).frames
        assert frames is not None
        return _of_a_held_out_demonstration(context, encode_goal(encoder, frames, precision))
    numbers, device = _in_numbers(context, goal), context.facts["device"]
    return lambda seed: encode_goal(encoder, numbers(seed)[None].to(device), precision)[0]


def _last_held_out(context: Context[Any], encoder: Encoder) -> Observations:
    demos = load_demos(context)
    return demos.observations(demos.ends[_held_out(context, demos)] - 1, encoder.reads, context.facts["device"])


def _in_numbers(context: Context[Any], goal: str) -> Given:
    if goal == "language":
        return evaluation_language(context)
    cls, config = environment_of(context.inputs["demos"])
    return lambda seed: torch.from_numpy(_one_hot(cls.task(config, seed), cls.spec(config), cls.name))


def evaluation_language(context: Context[Any]) -> Given:
    demos = load_demos(context)
    return _of_a_held_out_demonstration(context, torch.from_numpy(training_language(demos)[_held_out(context, demos)]))


def _held_out(context: Context[Any], demos: Demos) -> np.ndarray:
    return demos.split(context.inputs["policy"].params(FitParams).unseen)[1]


def _of_a_held_out_demonstration(context: Context[Any], rows: Tensor) -> Given:
    """The row of a demonstration of the same task that no training saw."""
    cls, config = environment_of(context.inputs["demos"])
    demos = load_demos(context)
    tasks = [demos.infos[episode].get("task") for episode in _held_out(context, demos)]

    def given(seed: int) -> Tensor:
        task = cls.task(config, seed)
        fitting = [row for row, name in enumerate(tasks) if task in (None, name)]
        if not fitting:
            raise BenchmarkError(f"no held-out demonstration shows the goal of '{task}': record more, or raise split.held_out")
        return rows[fitting[seed % len(fitting)]]

    return given


def _one_hot(task: str | None, spec: EnvSpec, env: str) -> np.ndarray:
    if task not in spec.tasks:
        raise BenchmarkError(f"fit.goal=task: an episode of {env} does not ask for one task (it has {task})")
    return np.array([task == name for name in spec.tasks], np.float32)


def _language(info: dict, env: str) -> np.ndarray:
    if "language" not in info:
        raise BenchmarkError(f"fit.goal=language: the demonstrations of {env} bring no embedding as info['language']")
    return np.asarray(info["language"], np.float32)
