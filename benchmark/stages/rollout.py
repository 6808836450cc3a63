"""Encoder + policy + simulator -> one record per evaluation episode.

By default the episodes are fixed by environment and training seed; `starts=demonstrations` takes them from the demonstrations.
Under one training seed every method meets the same ones, so differences can be paired.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.contracts.encoder import Encoder
from benchmark.contracts.environment import Environment, Simulator
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import evaluation_seed
from benchmark.models.agent import Agent
from benchmark.simulation.agent import AgentController
from benchmark.simulation.protocol import Outcome
from benchmark.simulation.rollout import rollout
from benchmark.stages.base import Context
from benchmark.stages.goals import evaluation_goals, evaluation_language, evaluation_told
from benchmark.stages.load.agent import load_acting
from benchmark.stages.load.demos import environment_of, load_demos
from benchmark.stages.open_loop import open_loop
from benchmark.stages.params.fit import Params as FitParams
from benchmark.stages.params.rollout import Params, Summary
from benchmark.storage.records import EpisodeRecord, write_records


def run(context: Context[Params]) -> Summary:
    cls, _ = environment_of(context.inputs["demos"])
    if not issubclass(cls, Simulator):
        return write(context, open_loop(context, *agent_of(context)))
    outcomes, _, controller = simulate(context)
    return replace(
        write(context, outcomes),
        simulator=next((o.simulator for o in outcomes if o.simulator), None),
        policy_ms=controller.latency() / context.params.slots,
    )


def write(context: Context[Params], outcomes: list[Outcome]) -> Summary:
    """Put the records into the artifact; returns what they amount to."""
    rows = records(context, outcomes)
    write_records(context.out, rows)
    return Summary(
        episodes=len(outcomes),
        crashed=sum(o.score is None for o in outcomes),
        mean_score=float(np.mean([row.score for row in rows])),
    )


def agent_of(context: Context[Params]) -> tuple[Encoder, Agent]:
    """The encoder and the agent of a cell, on the device of the stage; the facts say in what precision the encoder computes."""
    params, inputs = context.params, context.inputs
    device = context.device(params.device)
    context.precision(params.precision, device)
    spec = load_demos(context).spec
    return load_acting(inputs["policy"], params.acting, inputs["encoder"], spec, params.checkpoint, device)


def simulate(
    context: Context[Params], record: Collection[int] = ()
) -> tuple[list[Outcome], dict[int, np.ndarray], AgentController]:
    """Run the episodes of a cell; `record` names those whose frames are kept for a video."""
    params, execution = context.params, context.execution
    cls, config = environment_of(context.inputs["demos"])
    assert issubclass(cls, Simulator)
    encoder, agent = agent_of(context)
    controller = AgentController(
        encoder,
        agent,
        slots=params.slots,
        kind=params.features,
        precision=context.facts["precision"],
        goals=evaluation_goals(context, params.features, encoder, agent),
        language=evaluation_language(context) if agent.policy.spec.language_dim else None,
        told=evaluation_told(context, encoder),
    )
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
        slots=params.slots,
        workers=execution.workers,
        timeout=execution.timeout,
        shift=params.shift,
        record=record,
        on_outcome=show,
    )
    return outcomes, frames, controller


def episode_seeds(context: Context[Params]) -> list[int]:
    """The episodes of a cell: those reserved for evaluation, or as many of those that the policy was shown."""
    params, demos = context.params, load_demos(context)
    if params.starts == "evaluation":
        return [evaluation_seed(demos.spec.env, params.seed, episode) for episode in range(params.episodes)]
    training, _ = demos.split(context.inputs["policy"].params(FitParams).held_out)
    seeds = [seed for episode in training if (seed := demos.infos[episode].get("seed")) is not None]
    if not seeds:
        raise BenchmarkError(
            "rollout.starts=demonstrations needs demonstrations of the scripted expert: recordings have no seed"
        )
    if len(seeds) < params.episodes:
        raise BenchmarkError(
            f"{params.episodes} episodes on the starts of {len(seeds)} demonstrations would count some twice. Fix it with: "
            f"rollout.episodes={len(seeds)}"
        )
    return seeds[: params.episodes]


def records(context: Context[Params], outcomes: list[Outcome]) -> list[EpisodeRecord]:
    """One per episode. A crashed episode is a failed one: it scores the lowest value there is, in the task that it asks for,
    too, and says so."""
    cls, config = environment_of(context.inputs["demos"])
    spec = cls.spec(config)
    return [
        EpisodeRecord(
            episode=outcome.episode,
            episode_seed=outcome.seed,
            steps=outcome.steps,
            score=(outcome.score or {}).get(spec.metric, spec.metric_range[0]),
            crashed=outcome.score is None,
            error=outcome.error,
            metrics=_failed(cls, config, outcome.seed) if outcome.score is None else outcome.score,
        )
        for outcome in outcomes
    ]


def _failed(cls: type[Environment], config: Any, number: int) -> dict[str, float]:
    asked = cls.task(config, number)
    return {} if asked is None else {f"task/{asked}": 0.0}
