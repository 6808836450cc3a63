"""How well a policy predicts recorded actions, for environments that cannot be acted in.

Each held-out demonstration counts as one episode. At every step the policy sees what was seen and answers with what it would
do; nothing that it says changes what it sees next, so this measures agreement with the demonstrator, not success.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark import registry
from benchmark.contracts.encoder import Encoder
from benchmark.core.seeds import evaluation_seed
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos, open_demos
from benchmark.models.agent import Agent
from benchmark.models.features import encode
from benchmark.simulation.protocol import Outcome
from benchmark.stages.context import Context
from benchmark.stages.goals import training_goals

BATCH = 256
METRIC = "action_r2"


def open_loop(context: Context, encoder: Encoder, agent: Agent) -> list[Outcome]:
    """One outcome per demonstration that no training saw."""
    params = context.params
    demos = open_demos(context.inputs["demos"])
    _, held_out = demos.split(context.manifests["fit"]["params"]["split"]["held_out"])
    outcomes = []
    for number, episode in enumerate(held_out):
        seed = evaluation_seed(params["env"], params["seed"], number)
        predicted, recorded = predict(context, encoder, agent, demos, episode, seed)
        outcomes.append(Outcome(number, seed, len(recorded), agreement(predicted, recorded)))
        context.task.update(number + 1, len(held_out))
    return outcomes


def predict(
    context: Context, encoder: Encoder, agent: Agent, demos: Demos, episode: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The next action at every step, predicted and recorded, both normalised: no dimension counts more than another."""
    device = context.params["device"]
    rows = slice(demos.starts[episode], demos.ends[episode])
    parts = [slice(at, min(at + BATCH, rows.stop)) for at in range(rows.start, rows.stop, BATCH)]
    blocks = [demos.observations(part, encoder.reads, device) for part in parts]
    features = torch.cat([encode(encoder, block, context.params["features"]).float() for block in blocks])
    actions = agent.actions(torch.from_numpy(demos.actions[rows]).to(device))
    table = agent.features(features), actions, np.array([0]), np.array([len(actions)]), np.array([0])
    samples = ChunkSampler(*table, agent.policy.config, goals=_goal(context, demos, episode), device=device).all()

    def act(at: int) -> Tensor:
        part = slice(at, at + BATCH)
        rngs = [torch.Generator().manual_seed(seed + step) for step in range(len(actions))[part]]
        return agent.policy.act(samples.features[part], None if samples.goal is None else samples.goal[part], rngs)[:, 0]

    with torch.no_grad():
        predicted = torch.cat([act(at) for at in range(0, len(actions), BATCH)])
    return predicted.float().cpu().numpy(), actions.cpu().numpy()


def _goal(context: Context, demos: Demos, episode: int) -> str | np.ndarray | None:
    """That of the demonstration itself; where it is an observation, its last one."""
    env = registry.envs().get(context.params["env"])
    spec = env.spec(env.Config(**context.params["env_config"]))
    goals = training_goals(context.manifests["fit"]["params"]["goal"], demos, spec)
    return goals[[episode]] if isinstance(goals, np.ndarray) else goals and "last"


def agreement(predicted: np.ndarray, recorded: np.ndarray) -> dict[str, float]:
    """The share of the actions' variance that is predicted, not below 0, and the mean absolute error."""
    residual = np.square(predicted - recorded).sum()
    variance = np.square(recorded - recorded.mean(0)).sum()
    r2 = 1 - residual / variance if variance > 0 else float(residual == 0)
    return {METRIC: max(0.0, float(r2)), "action_error": float(np.abs(predicted - recorded).mean())}
