"""Videos of what is in the store, under names that a person finds them by."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from benchmark import registry
from benchmark.contracts.environment import Simulator
from benchmark.data.episodes import open_demos
from benchmark.data.video import video_name, write_video
from benchmark.launch.execute import Executor, StageFailed
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import video_stage


def record_demonstration(folder: Path, path: Path, episode: int = 0) -> None:
    demos = open_demos(folder)
    write_video(demos.frames[demos.starts[episode] : demos.ends[episode]], path, demos.spec.hz)


def record_cells(plan: Plan, executor: Executor, episodes: int, folder: Path) -> None:
    """Of the first episodes of every finished cell."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in plan.cells:
        if not issubclass(registry.envs().get(cell.id.env), Simulator):
            executor.reporter.say(f"  {cell.label}: a recording cannot be played again, there is no video")
        elif not cell.refused and executor.store.has("rollout", cell.stages["rollout"]):
            try:
                made = executor.execute(video_stage(plan, cell, episodes))
            except StageFailed:
                continue  # reported; the others have videos all the same
            for path in sorted(made.glob("*.mp4")):
                episode, score = path.stem.removeprefix("episode").split("-score")
                target = folder / video_name({**asdict(cell.id), "stages": cell.stages}, episode, score)
                shutil.copyfile(path, target)
                executor.reporter.say(f"  {target}")
