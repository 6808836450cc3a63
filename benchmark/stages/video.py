"""The first evaluation episodes of a cell, played again exactly as they were recorded, as videos."""

from __future__ import annotations

from dataclasses import replace

from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import open_demos
from benchmark.data.video import write_video
from benchmark.stages import rollout
from benchmark.stages.base import Context
from benchmark.stages.params.rollout import Params as RolloutParams
from benchmark.stages.params.video import Params, Summary
from benchmark.storage.records import read_records


def run(context: Context[Params]) -> Summary:
    recorded = context.inputs["rollout"]
    records = read_records(recorded.folder)
    count = min(context.params.episodes, len(records))
    params = replace(recorded.params(RolloutParams), episodes=count)
    again = Context(params, context.inputs, context.out, context.work, context.task, context.execution)
    outcomes, frames, _ = rollout.simulate(again, record=range(count))
    hz = open_demos(context.inputs["demos"].folder).spec.hz
    files = {}
    for episode, record in zip(rollout.records(again, outcomes), records, strict=False):
        if episode != record:
            raise BenchmarkError(f"episode {record.episode} did not play again as it was recorded")
        name = f"episode{record.episode}-score{record.score:g}.mp4"
        write_video(frames[record.episode], context.out / name, hz)
        files[name] = record.episode
    return Summary(files)
