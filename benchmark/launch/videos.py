"""Makes videos of what is in the store: a demonstration, or evaluation episodes played again."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from benchmark import registry
from benchmark.contracts.environment import Simulator
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import open_demos
from benchmark.data.video import video_name, write_video
from benchmark.launch.execute import Executor
from benchmark.planning.graph import Plan, RunCell
from benchmark.stages import rollout
from benchmark.stages.base import Context
from benchmark.storage.records import read_records


def record_demonstration(folder: Path, path: Path, episode: int = 0) -> None:
    demos = open_demos(folder)
    write_video(demos.frames[demos.starts[episode] : demos.ends[episode]], path, demos.spec.hz)


def record_cells(plan: Plan, executor: Executor, episodes: int, folder: Path) -> None:
    """Play the first episodes of every finished cell again, check that they end as recorded, and make videos of them."""
    for cell in plan.cells:
        if not issubclass(registry.envs().get(cell.id.env), Simulator):
            executor.reporter.say(f"  {cell.label}: a recording cannot be played again, there is no video")
        elif not cell.refused and executor.store.has("rollout", cell.stages["rollout"]):
            _record(plan, cell, executor, episodes, folder)


def _record(plan: Plan, cell: RunCell, executor: Executor, episodes: int, folder: Path) -> None:
    stage = plan.stages[cell.stages["rollout"]]
    records = read_records(executor.store.open("rollout", stage.key))
    count = min(episodes, len(records))
    inputs = executor.artifacts(stage.inputs)
    hz = open_demos(inputs["demos"].folder).spec.hz
    with executor.reporter.task(f"video · {cell.label}") as task:
        params = replace(stage.params, episodes=count)
        context = Context(params, inputs, folder, folder, task, executor.execution)
        outcomes, frames, _ = rollout.simulate(context, record=range(count))
    for again, record in zip(rollout.records(context, outcomes), records, strict=False):
        if again != record:
            raise BenchmarkError(f"{cell.label}: episode {record.episode} did not play again as it was recorded")
        path = folder / video_name({**asdict(cell.id), "stages": cell.stages}, record.episode, record.score)
        write_video(frames[record.episode], path, hz)
        executor.reporter.say(f"  {path}")
