"""How well a policy predicts recorded actions, for environments that cannot be acted in.

Each held-out demonstration counts as one episode. At every step the policy sees what was seen and answers with what it would
do; nothing that it says changes what it sees next, so this measures agreement with the demonstrator, not success.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts.encoder import Encoder
from benchmark.core.seeds import evaluation_seed, torch_rng
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.features import encode, encode_goal
from benchmark.simulation.protocol import Outcome
from benchmark.stages.base import Context
from benchmark.stages.goals import training_goals, training_language
from benchmark.stages.load.demos import environment_of, load_demos
from benchmark.stages.offline import write_predictions, yardsticks
from benchmark.stages.params.fit import Params as FitParams
from benchmark.stages.params.rollout import Params

BATCH = 256
METRIC = "action_r2"
LOWEST = -1.0


def open_loop(context: Context[Params], encoder: Encoder, agent: Agent) -> list[Outcome]:
    """One outcome per demonstration that no training saw."""
    demos = load_demos(context)
    params = context.inputs["policy"].params(FitParams)
    (training, _), (_, unseen) = demos.split(params.held_out), demos.split(params.unseen)
    measures, outcomes, answers = yardsticks(demos, training), [], []
    for number, episode in enumerate(unseen):
        seed = evaluation_seed(demos.spec.env, context.params.seed, number)
        predicted, recorded = predict(context, encoder, agent, demos, episode, seed)
        answers.append(in_units(agent, predicted))
        actions = demos.actions[demos.starts[episode] : demos.ends[episode]]
        errors = measures[demos.part_of[episode]].errors(answers[-1], actions)
        score = {**agreement(predicted, recorded), **errors}
        broken = None if np.isfinite(predicted).all() else "the policy predicted NaN or infinite actions"
        outcomes.append(Outcome(number, seed, len(recorded), None if broken else score, broken))
        context.task.update(number + 1, len(unseen))
    write_predictions(context.out, unseen, answers)
    return outcomes


def in_units(agent: Agent, actions: np.ndarray) -> np.ndarray:
    """Normalised actions as the demonstrations have them."""
    device = agent.actions.shift.device
    return agent.actions.inverse(torch.from_numpy(actions).to(device)).cpu().numpy()


def predict(
    context: Context[Any], encoder: Encoder, agent: Agent, demos: Demos, episode: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The next action at every step, predicted and recorded, both normalised: no dimension counts more than another."""
    device, precision = context.facts["device"], context.facts["precision"]
    rows = slice(demos.starts[episode], demos.ends[episode])
    parts = [slice(at, min(at + BATCH, rows.stop)) for at in range(rows.start, rows.stop, BATCH)]
    goal, told = _goal(context, demos, episode), None
    if encoder.takes_goal and goal is not None:
        told = encode_goal(encoder, _observed(demos, goal, episode).to(device), precision)
        goal = None

    def look(part: slice) -> Tensor:
        seen = demos.observations(part, encoder.reads, device)
        if told is not None:
            seen = replace(seen, told=told.expand(part.stop - part.start, *told.shape[1:]))
        return encode(encoder, seen, context.params.features, precision)

    features = torch.cat([look(part) for part in parts])  # frames of one part at a time
    actions = agent.actions(torch.from_numpy(demos.actions[rows]).to(device))
    proprio = torch.from_numpy(demos.proprio[rows]).to(device)
    table = agent.observe(features, proprio), actions, np.array([0]), np.array([len(actions)]), np.array([0])
    samples = ChunkSampler(
        *table,
        agent.policy.config,
        goals=goal,
        device=device,
        proprio=agent.separate(proprio),
        language=training_language(demos)[[episode]] if "language" in agent.policy.inputs else None,
    ).all()

    def act(at: int) -> Tensor:
        part = slice(at, at + BATCH)
        rngs = [torch_rng("open loop", seed, step) for step in range(len(actions))[part]]
        given = {name: value[part] for name, value in agent.policy.given(samples).items()}
        return agent.policy.act(samples.features[part], None if samples.goal is None else samples.goal[part], rngs, **given)[
            :, 0
        ]

    with torch.no_grad():
        predicted = torch.cat([act(at) for at in range(0, len(actions), BATCH)])
    return predicted.float().cpu().numpy(), actions.cpu().numpy()


def _goal(context: Context[Any], demos: Demos, episode: int) -> str | np.ndarray | None:
    """That of the demonstration itself; where it is an observation, its last one."""
    cls, config = environment_of(context.inputs["demos"])
    goals = training_goals(context.inputs["policy"].params(FitParams).goal, demos, cls.spec(config))
    return goals[[episode]] if isinstance(goals, np.ndarray) else goals and "last"


def _observed(demos: Demos, goal: str | np.ndarray, episode: int) -> Tensor:
    """A goal as an encoder takes it: frames (1, V, H, W, 3) or numbers (1, G)."""
    if isinstance(goal, np.ndarray):
        return torch.from_numpy(goal)
    return torch.from_numpy(np.array(demos.frames[[demos.ends[episode] - 1]]))


def agreement(predicted: np.ndarray, recorded: np.ndarray) -> dict[str, float]:
    """The share of the actions' variance that is predicted, and the mean absolute error.

    Below 0 it is worse than the mean of the actions, and nothing bounds it: an episode of little movement would outweigh all
    others of a mean. So the score stops at -1, an error of twice the variance; `action_r2_raw` goes on.
    """
    residual = np.square(predicted - recorded).sum()
    variance = np.square(recorded - recorded.mean(0)).sum()
    r2 = 1 - residual / variance if variance > 0 else float(residual == 0)
    return {
        METRIC: max(LOWEST, float(r2)),
        f"{METRIC}_raw": float(r2),
        "action_error": float(np.abs(predicted - recorded).mean()),
    }
