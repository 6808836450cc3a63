"""Demonstrations: recorded from the scripted expert, or taken from recordings that exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import registry
from benchmark.contracts.data import DataSpec, Episode
from benchmark.contracts.environment import Environment, Simulator
from benchmark.contracts.specs import EnvSpec
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import seed
from benchmark.data.episodes import DemosWriter
from benchmark.simulation.demonstrate import demonstrate
from benchmark.simulation.shift import Shift
from benchmark.stages.context import Context


def run(context: Context) -> dict[str, Any]:
    cls = registry.envs().get(context.params["env"])
    config = cls.Config(**context.params["config"])
    spec = cls.spec(config)
    data = data_spec(cls, config)
    if config.demonstrations not in cls.sources:
        raise BenchmarkError(f"{cls.name} has no demonstrations '{config.demonstrations}'; it has {', '.join(cls.sources)}")
    if config.demonstrations == "scripted" and issubclass(cls, Simulator):
        episodes = _scripted(context, cls, config)
    else:
        episodes = _recorded(context, cls, config)
    writer = DemosWriter(context.out, data)
    scores, steps, simulator = [], [], None
    for episode in episodes:
        writer.add(episode)
        steps.append(len(episode.actions))
        simulator = simulator or episode.info.get("simulator")
        scores.append(episode.info.get("score", {}).get(spec.metric))
    writer.finish()
    known = [s for s in scores if s is not None]
    return {
        "source": config.demonstrations,
        "episodes": len(steps),
        "frames": sum(steps),
        "mean_steps": float(np.mean(steps)),
        "mean_score": float(np.mean(known)) if known else None,
        "metric": spec.metric,
        "simulator": simulator,
    }


def data_spec(cls: type[Environment], config: Any) -> DataSpec:
    spec: EnvSpec = cls.spec(config)
    sizes = spec.action_dim, spec.proprio_dim, spec.state_dim
    return DataSpec(cls.name, spec.views, config.resolution, *sizes, spec.hz, spec.action)


def _recorded(context: Context, cls: type[Environment], config: Any) -> Iterator[Episode]:
    for done, episode in enumerate(cls.import_demonstrations(config)):
        if done == config.episodes:
            return
        shift = Shift.draw(context.params["shift"], seed("recordings", cls.name, done), cls.spec(config))
        yield episode if shift is None else replace(episode, frames=shift(episode.frames))
        context.task.update(done + 1, config.episodes)


def _scripted(context: Context, cls: type[Simulator], config: Any) -> Iterator[Episode]:
    """Finished episodes are kept in `work`, so an interrupted recording goes on where it stopped."""
    paths = [context.work / f"{index:06d}.npz" for index in range(config.episodes)]
    todo = [index for index, path in enumerate(paths) if not path.is_file()]
    seeds = [seed("demonstrations", cls.name, index) for index in todo]
    done = config.episodes - len(todo)
    recorded = demonstrate(cls, config, seeds, workers=context.workers, timeout=context.timeout, shift=context.params["shift"])
    for index, episode in zip(todo, recorded, strict=True):
        _save(paths[index], episode)
        done += 1
        context.task.update(done, config.episodes)
    for path in paths:
        yield _load(path)


def _save(path: Path, episode: Episode) -> None:
    beside = path.with_suffix(".part")
    with beside.open("wb") as file:
        np.savez(
            file,
            frames=episode.frames,
            actions=episode.actions,
            states=episode.states,
            proprio=episode.proprio,
            info=np.frombuffer(json.dumps(episode.info).encode(), np.uint8),
        )
    beside.replace(path)


def _load(path: Path) -> Episode:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("frames", "actions", "states", "proprio")}
        return Episode(**arrays, info=json.loads(file["info"].tobytes()))
