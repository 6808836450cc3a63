"""Writes videos of what is in the store: a demonstration, or evaluation episodes played again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from benchmark import registry
from benchmark.contracts.environment import Simulator
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import open_demos
from benchmark.data.video import video_name, write_video
from benchmark.launch.local import Runner
from benchmark.planning.graph import Cell, Plan
from benchmark.results.gather import read_records
from benchmark.stages import rollout
from benchmark.stages.context import Context


def video_demonstration(folder: Path, path: Path, episode: int = 0) -> None:
    demos = open_demos(folder)
    write_video(demos.frames[demos.starts[episode] : demos.ends[episode]], path, demos.spec.hz)


def video_cells(plan: Plan, runner: Runner, episodes: int, folder: Path) -> None:
    """Play the first episodes of every finished cell again, check that they end as recorded, and make videos of them."""
    for cell in plan.cells:
        if not issubclass(registry.envs().get(cell.env), Simulator):
            runner.reporter.say(f"  {cell.label}: a recording cannot be played again, there is no video")
        elif cell.missing is None and runner.store.has("rollout", cell.stages["rollout"]):
            _film(plan, cell, runner, episodes, folder)


def _film(plan: Plan, cell: Cell, runner: Runner, episodes: int, folder: Path) -> None:
    store, stage = runner.store, plan.stages[cell.stages["rollout"]]
    recorded = read_records(store.open("rollout", stage.key))
    count = min(episodes, len(recorded))
    hz = open_demos(store.open("demos", stage.inputs["demos"])).spec.hz
    with runner.reporter.task(f"video · {cell.label}") as task:
        context = Context(
            params={**stage.params, "episodes": count},
            inputs={kind: store.open(kind, key) for kind, key in stage.inputs.items()},
            manifests={kind: store.manifest(kind, key) for kind, key in stage.inputs.items()},
            out=folder,
            work=folder,
            task=task,
            workers=runner.machine.workers,
            timeout=runner.timeout,
        )
        outcomes, frames, _ = rollout.simulate(context, record=range(count))
    for outcome, record in zip(rollout.records(context, outcomes), recorded, strict=False):
        if outcome != record:
            raise BenchmarkError(f"{cell.label}: episode {record['episode']} did not play again as it was recorded")
        path = folder / video_name(asdict(cell), record["episode"], record["score"])
        write_video(frames[record["episode"]], path, hz)
        runner.reporter.say(f"  {path}")
