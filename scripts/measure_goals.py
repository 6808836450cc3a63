#!/usr/bin/env python3
"""Does a policy act on its goal? Errors on held-out demonstrations when it is told their own end, and when another one's.

    python scripts/measure_goals.py block_push --cells early_fusion/gc_bc,film_efficientnet/rt1 --home /tmp/goals \\
        env.block_push.resolution=64 env.block_push.episodes=160 split.held_out=0.25

What has to be trained is trained in --home, and is there the next time. An error is the mean squared difference between the
next action and the recorded one, both normalised, divided by that of the mean action of the training demonstrations: 1 is
knowing nothing. Intervals are 95 %, over episodes. What is written is results/measured/goals/ENV.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.core.provenance import provenance
from benchmark.core.seeds import numpy_rng, torch_rng
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos, open_demos
from benchmark.launch.execute import Executor
from benchmark.models.agent import Agent
from benchmark.models.features import encode, encode_goal
from benchmark.planning.graph import Plan, RunCell
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.results.statistics import Interval, compare, interval
from benchmark.stages.base import Artifact, Execution
from benchmark.stages.load.agent import load_acting
from benchmark.stages.params.fit import LAST
from benchmark.storage.artifacts import Store
from benchmark.storage.files import write_text

FOLDER = Path(__file__).resolve().parent.parent / "results" / "measured" / "goals"
BLOCK = 64  # observations encoded at once


def features(encoder: Encoder, demos: Demos, rows: np.ndarray, goal: torch.Tensor | None, kind: str) -> torch.Tensor:
    told, parts = None if goal is None else encode_goal(encoder, goal), []
    for part in np.array_split(rows, -(-len(rows) // BLOCK)):
        seen = Observations(frames=torch.from_numpy(np.asarray(demos.frames[part])))
        if told is not None:
            seen.told = told.expand(len(part), *told.shape[1:])
        parts.append(encode(encoder, seen, kind))
    return torch.cat(parts)


@torch.no_grad()
def error(encoder: Encoder, agent: Agent, demos: Demos, episode: int, shown: int, kind: str) -> float:
    """Of the policy on one demonstration when it is told the end of another."""
    rows, end = np.arange(demos.starts[episode], demos.ends[episode]), demos.ends[[shown]] - 1
    goal = torch.from_numpy(np.asarray(demos.frames[end])) if encoder.takes_goal else None
    proprio = torch.from_numpy(demos.proprio[rows])
    seen = agent.observe(features(encoder, demos, rows, goal, kind), proprio)
    actions = agent.actions(torch.from_numpy(demos.actions[rows]))
    one = np.array([0]), np.array([len(rows)]), np.array([0])
    samples = ChunkSampler(seen, actions, *one, agent.policy.config, proprio=agent.separate(proprio)).all()
    told = None
    if agent.policy.spec.goal_dim:
        told = agent.observe(features(encoder, demos, end, None, kind), torch.from_numpy(demos.proprio[end]))
        told = told.expand(len(rows), -1)
    rngs = [torch_rng("goals", int(episode), step) for step in range(len(rows))]
    predicted = agent.policy.act(samples.features, told, rngs, **agent.policy.given(samples))[:, 0]
    return float((predicted - actions).square().mean())


def measure(executor: Executor, plan: Plan, cell: RunCell) -> dict[str, Any]:
    for kind in ("demos", "pretrain", "embed", "fit"):
        executor.execute(plan.stages[cell.stages[kind]])
    parts = {kind: Artifact.open(executor.store, plan.stages[cell.stages[kind]].ref) for kind in ("demos", "pretrain", "fit")}
    demos, config = open_demos(parts["demos"].folder), plan.configs[cell.id.env]
    encoder, agent = load_acting(parts["fit"], parts["pretrain"], demos.spec, LAST, "cpu")
    training, held_out = demos.split(config.split.held_out_from_policies or config.split.held_out)
    mean = agent.actions(torch.from_numpy(demos.actions[demos.steps_of(training)])).mean(0)
    own, other, nothing = [], [], []
    for episode, stranger in zip(held_out, np.roll(held_out, 1), strict=True):
        own.append(error(encoder, agent, demos, episode, episode, config.embed.features))
        other.append(error(encoder, agent, demos, episode, stranger, config.embed.features))
        actions = agent.actions(torch.from_numpy(demos.actions[demos.steps_of(np.array([episode]))]))
        nothing.append(float((mean - actions).square().mean()))
    told, strangers = ([np.array(values) / np.mean(nothing)] for values in (own, other))
    return {
        "cell": cell.label,
        "goal": config.fit.goal,
        "episodes": len(held_out),
        **_columns("own", interval(told, numpy_rng("goals", cell.label))),
        **_columns("other", interval(strangers, numpy_rng("goals", cell.label, "other"))),
        **_columns("other_minus_own", compare(strangers, told).difference),
    }


def _columns(name: str, value: Interval) -> dict[str, float]:
    return {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env")
    parser.add_argument("overrides", nargs="*", metavar="SETTING")
    parser.add_argument("--cells", type=lambda text: text.split(","), metavar="METHOD/POLICY,...", required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--preset", default="quick")
    options = parser.parse_intermixed_args()
    store, reporter = Store(options.home).prepare(), Reporter()
    executor = Executor(store, reporter, Execution(workers=0, threads=1))
    rows = []
    for name in options.cells:
        method, _, policy = name.partition("/")
        overrides = ("fit.goal=future", *options.overrides)
        plan = make_plan(Request([method], [options.env], [policy], preset=options.preset, overrides=overrides))
        (cell,) = plan.cells
        if cell.refused:
            raise BenchmarkError(f"{name}: {cell.refused}")
        rows.append({**measure(executor, plan, cell), "settings": " ".join(overrides), "preset": options.preset})
        print(pd.DataFrame(rows[-1:]).T.to_string(header=False), flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows).assign(commit=provenance()["git"]["commit"])
    write_text(FOLDER / f"{options.env}.csv", table.to_csv(index=False))


if __name__ == "__main__":
    main()
