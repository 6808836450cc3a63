#!/usr/bin/env python3
"""Does a policy act on its goal? Errors on held-out demonstrations when it is told their own end, and when another one's.

    python scripts/measure_goals.py block_push --cells early_fusion/gc_bc,film_efficientnet/rt1 --home /tmp/goals \\
        env.block_push.resolution=64 env.block_push.episodes=160 split.held_out=0.25

What has to be trained is trained in --home, and is there the next time. An error is the mean squared difference between the
next action and the recorded one, both normalised, divided by that of the mean action of the training demonstrations: 1 is
knowing nothing. In a mixture each data set is measured by itself: by its own mean action, in the dimensions that its robot has,
and the other goal is of the same data set.

A head with classes (`rt1`) acts by the likeliest one. Where several are right that is further from what was done than their
mean, however well it knows them; so its mean and its cross entropy stand beside it, the latter divided by that of how often
each class occurs in the training demonstrations.

Intervals are 95 %, over episodes. What is written are rows of results/measured/goals/ENV.csv (for `recording:NAME` of
NAME.csv); the same cell with the same settings replaces its rows there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

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
from benchmark.policies.rt1 import RT1, from_bins, to_bins
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
        seen = demos.observations(part, encoder.reads)
        if told is not None:
            seen.told = told.expand(len(part), *told.shape[1:])
        parts.append(encode(encoder, seen, kind))
    return torch.cat(parts)


@dataclass(frozen=True)
class DataSet:
    """One data set of the demonstrations, and what is known of its actions without an observation."""

    name: str
    held_out: np.ndarray  # episodes
    dims: list[int]  # of an action, that it has
    mean: torch.Tensor  # (A,)
    classes: torch.Tensor | None  # (A, bins) logarithms of how often each occurs


def data_sets(agent: Agent, demos: Demos, share: float) -> Iterator[DataSet]:
    training, held_out = demos.split(share)
    for number in range(max(1, len(demos.parts))):
        part = demos.parts[number] if demos.parts else None
        own = training[demos.part_of[training] == number]
        actions, bins = agent.actions(torch.from_numpy(demos.actions[demos.steps_of(own)])), None
        if isinstance(agent.policy, RT1):
            count = agent.policy.config.bins
            often = F.one_hot(to_bins(actions, count), count).float().sum(0) + 1 / count  # none is impossible
            bins = (often / often.sum(1, keepdim=True)).log()
        dims = [dim for dim in range(demos.spec.action_dim) if part is None or part.given[dim]]
        name = demos.spec.env if part is None else part.name
        yield DataSet(name, held_out[demos.part_of[held_out] == number], dims, actions.mean(0), bins)


@torch.no_grad()
def scores(
    encoder: Encoder, agent: Agent, demos: Demos, episode: int, shown: int, kind: str, own: DataSet
) -> dict[str, tuple[float, float]]:
    """Of the policy on one demonstration when it is told the end of another, each with that of knowing nothing."""
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

    def squared(answer: torch.Tensor) -> float:
        return float((answer - actions).square()[:, own.dims].mean())

    nothing = squared(own.mean)
    values = {"squared error": (squared(predicted), nothing)}
    if isinstance(agent.policy, RT1):
        assert own.classes is not None
        bins = agent.policy.config.bins
        logits = agent.policy.logits(samples.features, told, samples.proprio)[:, -1]
        mean = logits.softmax(-1) @ from_bins(torch.arange(bins).float(), bins)
        right = to_bins(actions, bins)[:, own.dims]
        entropies = [
            F.cross_entropy(of[:, own.dims].flatten(0, 1), right.flatten()) for of in (logits, own.classes.expand_as(logits))
        ]
        values["squared error of the mean class"] = squared(mean), nothing
        values["cross entropy"] = float(entropies[0]), float(entropies[1])
    return values


def compared(encoder: Encoder, agent: Agent, demos: Demos, share: float, kind: str, label: str) -> Iterator[dict[str, Any]]:
    """A row for each data set and score."""
    for own in data_sets(agent, demos, share):
        strangers = np.roll(own.held_out, 1)
        told, mistaken = (
            [scores(encoder, agent, demos, *pair, kind, own) for pair in zip(own.held_out, shown, strict=True)]
            for shown in (own.held_out, strangers)
        )
        for score in told[0]:
            nothing = np.mean([values[score][1] for values in told])
            right, wrong = ([np.array([values[score][0] for values in side]) / nothing] for side in (told, mistaken))
            yield {
                "cell": label,
                "data_set": own.name,
                "score": score,
                "episodes": len(strangers),
                **_columns("own", interval(right, numpy_rng("goals", label))),
                **_columns("other", interval(wrong, numpy_rng("goals", label, "other"))),
                **_columns("other_minus_own", compare(wrong, right).difference),
            }


def measure(executor: Executor, plan: Plan, cell: RunCell) -> pd.DataFrame:
    for kind in ("demos", "pretrain", "embed", "fit"):
        executor.execute(plan.stages[cell.stages[kind]])
    parts = {kind: Artifact.open(executor.store, plan.stages[cell.stages[kind]].ref) for kind in ("demos", "pretrain", "fit")}
    demos, config = open_demos(parts["demos"].folder), plan.configs[cell.id.env]
    encoder, agent = load_acting(parts["fit"], plan.acting(cell), parts["pretrain"], demos.spec, LAST, "cpu")
    share = config.split.held_out_from_policies or config.split.held_out
    return pd.DataFrame(compared(encoder, agent, demos, share, config.embed.features, cell.label)).assign(goal=config.fit.goal)


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
        table = measure(executor, plan, cell).assign(settings=" ".join(overrides), preset=options.preset)
        print(table.drop(columns=["goal", "settings", "preset"]).round(3).to_string(index=False), flush=True)
        rows.append(table.assign(commit=provenance()["git"]["commit"]))
    path = FOLDER / f"{options.env.rpartition(':')[2]}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = [pd.read_csv(path)] if path.is_file() else []
    same = ["cell", "data_set", "score", "settings", "preset"]
    write_text(path, pd.concat([*before, *rows]).drop_duplicates(same, keep="last").to_csv(index=False))


if __name__ == "__main__":
    main()
