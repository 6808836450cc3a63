"""DAgger (Ross et al. 2011): the policy acts, the expert says in every state what it would have done, both together are kept.

As in SpawnNet's release the policy acts alone (beta = 0), on episodes like those of the demonstrations, and what is oldest is
dropped. The artifact holds all that the next fit learns from and is read as demonstrations are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Simulator
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import seed
from benchmark.data.episodes import Demos, DemosWriter
from benchmark.simulation.agent import AgentController
from benchmark.simulation.collector import Collector
from benchmark.simulation.protocol import Outcome
from benchmark.simulation.rollout import rollout
from benchmark.stages.base import Context
from benchmark.stages.load.agent import load_acting
from benchmark.stages.load.demos import environment_of, load_demos
from benchmark.stages.params.collect import Params, Summary


def run(context: Context[Params]) -> Summary:
    params, inputs, before = context.params, context.inputs, load_demos(context)
    played, outcomes = _play(context, before)
    writer = DemosWriter(context.out, before.spec)
    kept = [*range(len(before))][max(0, len(before) + len(played) - params.most) :]
    for episode in (*_episodes(before, kept), *played[-params.most :]):
        writer.add(episode)
    writer.finish()
    cls, config = environment_of(inputs["demos"])
    metric, lengths = cls.spec(config).metric, [len(episode.actions) for episode in played]
    asked = len(before.actions) if params.round == 1 else inputs["demos"].summary(Summary).labelled
    total = [*before.lengths[kept], *lengths[-params.most :]]
    return Summary(
        source=f"{config.demonstrations}, then by the policy and labelled",
        episodes=len(total),
        frames=int(sum(total)),
        mean_steps=float(np.mean(total)),
        mean_score=float(np.mean([outcome.score[metric] for outcome in outcomes if outcome.score])),
        metric=metric,
        simulator=outcomes[0].simulator,
        labelled=asked + sum(lengths),
    )


def _play(context: Context[Params], before: Demos) -> tuple[list[Episode], list[Outcome]]:
    params, execution = context.params, context.execution
    cls, config = environment_of(context.inputs["demos"])
    assert issubclass(cls, Simulator)
    device, policy = context.device(params.device), context.inputs["policy"]
    encoder, agent = load_acting(policy, params.acting, context.inputs["encoder"], before.spec, params.checkpoint, device)
    precision = context.precision(params.precision, device)
    controller = AgentController(encoder, agent, params.slots, params.features, precision)
    collector = Collector(controller, cls.spec(config))
    seeds = [seed("collection", cls.name, params.seed, params.round, number) for number in range(params.episodes)]
    outcomes: list[Outcome] = []

    def show(outcome: Outcome) -> None:
        outcomes.append(outcome)
        context.task.update(len(outcomes), len(seeds))

    played, _ = rollout(
        cls,
        config,
        seeds,
        collector,
        slots=params.slots,
        workers=execution.workers,
        timeout=execution.timeout,
        shift=params.shift,
        label=True,
        on_outcome=show,
    )
    if crashed := next((outcome for outcome in played if outcome.score is None), None):
        raise BenchmarkError(f"an episode of round {params.round} broke off: {crashed.error}")
    facts = [{"round": params.round, "score": outcome.score, "simulator": outcome.simulator} for outcome in played]
    return [collector.episode(outcome.seed, more) for outcome, more in zip(played, facts, strict=True)], played


def _episodes(demos: Demos, numbers: list[int]) -> Iterator[Episode]:
    for number in numbers:
        rows = slice(demos.starts[number], demos.ends[number])
        arrays = (np.asarray(demos.frames[rows]), demos.actions[rows], demos.states[rows], demos.proprio[rows])
        yield Episode(*arrays, info=demos.infos[number])
