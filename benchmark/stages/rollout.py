"""Encoder + policy + simulator -> one record per evaluation episode.

The episodes are fixed by environment and seed alone, so every method meets the same ones and differences can be paired. Records
hold nothing that differs between two identical runs: no times, no machine.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np
from safetensors.torch import load_file

from benchmark import registry
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.environment import Simulator
from benchmark.contracts.specs import PolicySpec
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import evaluation_seed
from benchmark.data.episodes import open_demos
from benchmark.models.agent import Agent
from benchmark.simulation.agent import AgentController
from benchmark.simulation.protocol import Outcome
from benchmark.simulation.rollout import rollout
from benchmark.stages.context import Context
from benchmark.stages.fit import build_agent
from benchmark.stages.goals import evaluation_goals
from benchmark.stages.open_loop import open_loop
from benchmark.stages.pretrain import load_encoder

RECORDS = "records.jsonl"


def run(context: Context) -> dict[str, Any]:
    if not issubclass(registry.envs().get(context.params["env"]), Simulator):
        return write(context, open_loop(context, *load(context)))
    outcomes, _, controller = simulate(context)
    return {
        **write(context, outcomes),
        "simulator": next((o.simulator for o in outcomes if o.simulator), None),
        "policy_ms": controller.latency()["policy_call_ms"] / context.params["slots"],
    }


def write(context: Context, outcomes: list[Outcome]) -> dict[str, Any]:
    """Put the records into the artifact; returns what they amount to."""
    rows = records(context, outcomes)
    with (context.out / RECORDS).open("w") as file:
        for row in rows:
            file.write(json.dumps(row, sort_keys=True) + "\n")
    return {
        "episodes": len(outcomes),
        "crashed": sum(o.score is None for o in outcomes),
        "mean_score": float(np.mean([row["score"] for row in rows])),
    }


def simulate(context: Context, record: Collection[int] = ()) -> tuple[list[Outcome], dict[int, np.ndarray], AgentController]:
    """Run the episodes of a cell; `record` names those whose frames are kept for a video."""
    params = context.params
    cls = registry.envs().get(params["env"])
    assert issubclass(cls, Simulator)
    config = cls.Config(**params["env_config"])
    encoder, agent = load(context)
    goals = evaluation_goals(context, encoder, agent) if agent.policy.spec.goal_dim else None
    controller = AgentController(encoder, agent, slots=params["slots"], kind=params["features"], goals=goals)
    seeds = episode_seeds(context)
    metric, finished = cls.spec(config).metric, 0

    def show(outcome: Outcome) -> None:
        nonlocal finished
        finished += 1
        note = f"last scored {outcome.score[metric]:g}" if outcome.score else "last crashed"
        context.task.update(finished, len(seeds), note)

    outcomes, frames = rollout(
        cls,
        config,
        seeds,
        controller,
        slots=params["slots"],
        workers=context.workers,
        timeout=context.timeout,
        shift=params["shift"],
        record=record,
        on_outcome=show,
    )
    return outcomes, frames, controller


def episode_seeds(context: Context) -> list[int]:
    """The episodes of a cell: those reserved for evaluation, or the ones that the policy was shown, again and again."""
    params = context.params
    if params["starts"] == "evaluation":
        return [evaluation_seed(params["env"], params["seed"], episode) for episode in range(params["episodes"])]
    demos = open_demos(context.inputs["demos"])
    shown, _ = demos.split(context.manifests["fit"]["params"]["split"]["held_out"])
    known = [seed for episode in shown if (seed := demos.infos[episode].get("seed")) is not None]
    if not known:
        raise BenchmarkError(
            "rollout.starts=demonstrations needs demonstrations of the scripted expert: recordings have no seed"
        )
    return [known[episode % len(known)] for episode in range(params["episodes"])]


def load(context: Context) -> tuple[Encoder, Agent]:
    """The encoder that acts, which is the agent's own where it was tuned, and the agent."""
    agent = load_agent(context)
    return (agent.encoder or load_encoder(context)).to(context.params["device"]), agent


def load_agent(context: Context) -> Agent:
    """The agent of a `fit` artifact, at the checkpoint that the recipe names."""
    params = context.manifests["fit"]["params"]
    name = context.params["checkpoint"]
    cls = registry.policies().get(params["policy"])
    path = context.inputs["fit"] / f"{name if cls.learns else 'last'}.safetensors"
    summary, actions = context.manifests["fit"]["summary"], open_demos(context.inputs["demos"]).spec.action_dim
    spec = PolicySpec(summary["feature_dim"], actions, summary["goal_dim"])
    agent = build_agent(params, spec, load_encoder(context) if "tuned" in params else None)
    agent.load_state_dict(load_file(path))
    return agent.to(context.params["device"]).eval()


def records(context: Context, outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """One row per episode. A crashed episode is a failed one: it scores the lowest value there is, and says so."""
    params = context.params
    cls = registry.envs().get(params["env"])
    spec = cls.spec(cls.Config(**params["env_config"]))
    rows = []
    for outcome in outcomes:
        score = outcome.score or {}
        rows.append(
            {
                "episode": outcome.episode,
                "episode_seed": outcome.seed,
                "steps": outcome.steps,
                "score": score.get(spec.metric, spec.metric_range[0]),
                "crashed": outcome.score is None,
                "error": outcome.error,
                **{f"metric/{name}": value for name, value in score.items()},
            }
        )
    return rows
