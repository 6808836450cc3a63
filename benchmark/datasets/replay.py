"""A recording's actions, sent again in the simulator it was recorded in: does this simulator move as that one did?"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from benchmark import registry
from benchmark.contracts.environment import Simulator
from benchmark.contracts.presets import component_config
from benchmark.core.progress import Task
from benchmark.data.episodes import Demos


def replay(env_name: str, demos: Demos, task: Task) -> str:
    """Mean and extreme of what the environment says of each episode, or why it cannot be asked."""
    cls = registry.envs().get(env_name)
    if not issubclass(cls, Simulator):
        return f"not replayed: {env_name} has no simulator"
    config = component_config(cls, "quick", env_name)
    if reason := cls.unavailable_reason(config):
        return f"not replayed: {reason}"
    figures: dict[str, list[float]] = defaultdict(list)
    env = cls(config)
    try:
        for episode, (start, stop) in enumerate(zip(demos.starts, demos.ends, strict=True)):
            for name, value in env.replay(np.asarray(demos.states[start:stop]), np.asarray(demos.actions[start:stop])).items():
                figures[name].append(value)
            task.update(episode + 1, len(demos), "replayed")
    finally:
        env.close()
    lines = [f"{name:>28}  {np.mean(values):>8.3g}  {np.max(values):>8.3g}" for name, values in figures.items()]
    head = f"{f'replayed in {env_name}, {len(demos)} episodes':>28}  {'mean':>8}  {'largest':>8}"
    return "\n".join([head, *lines])
