"""Demonstrations: recorded from the scripted expert, or taken from recordings that exist."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import registry
from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Dataset, Environment, Simulator, data_spec
from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.core.progress import notice
from benchmark.core.seeds import seed
from benchmark.core.typed import from_json
from benchmark.data.episodes import DemosWriter
from benchmark.simulation.demonstrate import demonstrate
from benchmark.simulation.shift import Shift
from benchmark.stages.base import Context
from benchmark.stages.params.demos import Params, Summary
from benchmark.storage.files import seal, unseal


def run(context: Context[Params]) -> Summary:
    cls = registry.envs().get(context.params.env)
    config = from_json(cls.Config, context.params.config)
    spec = cls.spec(config)
    data = data_spec(cls, config)
    if config.demonstrations not in cls.sources:
        raise BenchmarkError(f"{cls.name} has no demonstrations '{config.demonstrations}'; it has {', '.join(cls.sources)}")
    if config.demonstrations == "scripted" and issubclass(cls, Simulator):
        episodes = _scripted(context, cls, config)
    else:
        episodes = _recorded(context, cls, config)
    writer = DemosWriter(context.out, data, parts=cls.parts(config) if issubclass(cls, Dataset) else ())
    scores, steps, simulator = [], [], None
    for episode in episodes:
        writer.add(episode)
        steps.append(len(episode.actions))
        simulator = simulator or episode.info.get("simulator")
        scores.append(episode.info.get("score", {}).get(spec.metric))
    writer.finish()
    scored = [s for s in scores if s is not None]
    return Summary(
        source=config.demonstrations,
        episodes=len(steps),
        frames=sum(steps),
        mean_steps=float(np.mean(steps)),
        mean_score=float(np.mean(scored)) if scored else None,
        metric=spec.metric,
        simulator=simulator,
    )


def _recorded(context: Context[Params], cls: type[Environment], config: Any) -> Iterator[Episode]:
    for done, episode in enumerate(cls.import_demonstrations(config)):
        if done == config.episodes:
            return
        shift = Shift.draw(context.params.shift, seed("recordings", cls.name, done), cls.spec(config))
        yield episode if shift is None else replace(episode, frames=shift(episode.frames))
        context.task.update(done + 1, config.episodes)


def _scripted(context: Context[Params], cls: type[Simulator], config: Any) -> Iterator[Episode]:
    """Finished episodes are kept in `work`, so an interrupted recording goes on where it stopped."""
    paths = [context.work / f"{index:06d}.npz" for index in range(config.episodes)]
    todo = [index for index, path in enumerate(paths) if not _is_whole(path)]
    seeds = [seed("demonstrations", cls.name, index) for index in todo]
    done = config.episodes - len(todo)
    execution = context.execution
    recorded = demonstrate(cls, config, seeds, workers=execution.workers, timeout=execution.timeout, shift=context.params.shift)
    for index, episode in zip(todo, recorded, strict=True):
        _save(paths[index], episode)
        done += 1
        context.task.update(done, config.episodes)
    for path in paths:
        yield _load(path)


def _save(path: Path, episode: Episode) -> None:
    file = io.BytesIO()
    np.savez(
        file,
        frames=episode.frames,
        actions=episode.actions,
        states=episode.states,
        proprio=episode.proprio,
        info=np.frombuffer(json.dumps(episode.info).encode(), np.uint8),
    )
    seal(path, file.getvalue())


def _is_whole(path: Path) -> bool:
    """Whether an episode was recorded before; one that was damaged since is set aside and recorded again."""
    if not path.exists():
        return False
    try:
        unseal(path)
    except Corrupt as error:
        notice(f"damaged episode: {error}. Set aside; recording it again")
        path.replace(path.with_suffix(".npz.damaged"))
        return False
    return True


def _load(path: Path) -> Episode:
    with np.load(io.BytesIO(unseal(path)), allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("frames", "actions", "states", "proprio")}
        return Episode(**arrays, info=json.loads(file["info"].tobytes()))
