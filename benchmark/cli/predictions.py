"""The held-out episodes that the cells of a plan predicted, from the store: for pictures of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.data.episodes import Demos, open_demos
from benchmark.planning.graph import Plan, RunCell
from benchmark.report.demo import Demo
from benchmark.stages.offline import PREDICTIONS, read_predictions
from benchmark.storage.artifacts import Store


def predicted(plan: Plan, store: Store, data_set: str | None = None, number: int = 0) -> list[Demo]:
    """Of each data set, or of the one that is named, the held-out episode of that number, with all rows of the first seed that
    predicted it."""
    made: dict[tuple[str, str], Demo] = {}
    for cell, demos, answers in _stored(plan, store):
        names = [part.name for part in demos.parts] or [cell.id.env]
        for part, name in enumerate(names):
            held_out = [episode for episode in sorted(answers) if demos.part_of[episode] == part]
            if data_set in (None, name) and held_out:
                if number >= len(held_out):
                    raise BenchmarkError(f"{name} has {len(held_out)} held-out episodes, so --episode is less than that")
                episode = held_out[number]
                before = made.get((cell.id.env, name))
                one = _demo(cell, demos, part, episode, answers[episode])
                made[cell.id.env, name] = one if before is None else _together(before, one)
    if not made:
        known = {name for _, demos, _ in _stored(plan, store) for name in [part.name for part in demos.parts]}
        if data_set and known:
            raise UnknownName("data set", data_set, known)
        raise BenchmarkError("no cell that is done predicted held-out episodes: `run` one on a mixture or a recording")
    return list(made.values())


def _stored(plan: Plan, store: Store) -> Iterator[tuple[RunCell, Demos, dict[int, np.ndarray]]]:
    seeds: dict[tuple[str, str, str], int] = {}
    for cell in plan.cells:
        first = seeds.setdefault((cell.id.env, cell.id.row, cell.id.policy), cell.id.seed)
        if cell.refused or cell.id.seed != first or not all(store.has(kind, key) for kind, key in cell.stages.items()):
            continue
        folder = store.open("rollout", cell.stages["rollout"])
        if (folder / PREDICTIONS).is_file():
            yield cell, open_demos(store.open("demos", cell.stages["demos"])), read_predictions(folder)


def _demo(cell: RunCell, demos: Demos, number: int, episode: int, answer: np.ndarray) -> Demo:
    rows, width = slice(demos.starts[episode], demos.ends[episode]), demos.spec.action_dim
    part = demos.parts[number] if demos.parts else None
    scale, shift = (np.asarray(part.scale), np.asarray(part.shift)) if part else (np.ones(width), np.zeros(width))
    shown = [dim for dim in range(width) if part is None or part.given[dim]]
    action = demos.spec.action
    names = action.names if action and action.names else tuple(map(str, range(width)))
    place, task = episode - int(np.flatnonzero(demos.part_of == number)[0]), str(demos.infos[episode].get("task", ""))
    return Demo(
        env=cell.id.env,
        data_set=part.name if part else cell.id.env,
        title=f"{part.name if part else cell.id.env}, held-out episode {place}" + (f": {task}" if task else ""),
        units=part.units if part else (action.units if action else "unknown"),
        frames=np.array(demos.frames[rows]),
        dims=tuple(names[dim] for dim in shown),
        recorded=(demos.actions[rows] * scale + shift)[:, shown],
        predicted={f"{cell.id.row}, {cell.id.policy}": (answer * scale + shift)[:, shown]},
    )


def _together(one: Demo, other: Demo) -> Demo:
    """Of the same episode, predicted by other rows."""
    return replace(one, predicted={**one.predicted, **other.predicted})
