"""Features + actions -> a policy.

A frozen encoder is not even loaded: only its cached features are read, so it cannot change. A tuned one starts from its
pretraining and learns together with the policy, from frames; its own cached features serve what a policy prepares before.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark import registry
from benchmark.contracts.data import Chunks, Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.specs import PolicySpec
from benchmark.contracts.training import ParameterGroup
from benchmark.core.seeds import seed, torch_rng
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos, open_demos
from benchmark.models.agent import Agent
from benchmark.models.features import features_of
from benchmark.stages.context import Context
from benchmark.stages.goals import training_goals
from benchmark.stages.pretrain import load_encoder
from benchmark.training.loop import train

VALIDATION_BATCHES = 8


def run(context: Context) -> dict[str, Any]:
    params = context.params
    device, cell_seed, tuned = params["device"], params["seed"], params.get("tuned")
    demos = open_demos(context.inputs["demos"])
    raw = np.load(context.inputs["embed"] / "features.npy", mmap_mode="r", allow_pickle=False)
    features = torch.from_numpy(np.array(raw, np.float32))
    actions = torch.from_numpy(demos.actions)
    episodes, held_out = demos.split(params["split"]["held_out"])
    env = registry.envs().get(context.manifests["demos"]["params"]["env"])
    env_spec = env.spec(env.Config(**context.manifests["demos"]["params"]["config"]))
    goals = training_goals(params["goal"], demos, env_spec)
    goal_dim = 0 if goals is None else features.shape[1] if isinstance(goals, str) else goals.shape[1]
    torch.manual_seed(seed("initialise policy", cell_seed))
    spec = PolicySpec(features.shape[1], demos.spec.action_dim, goal_dim)
    encoder = load_encoder(context).requires_grad_() if tuned else None
    agent = build_agent(params, spec, encoder)
    rows = torch.from_numpy(demos.steps_of(episodes))
    agent.fit_normalizers(features[rows], actions[rows])
    config = agent.policy.config
    if tuned:
        config = replace(config, batch_size=tuned["batch"])

    def sampler(subset: np.ndarray, batch_seed: int) -> ChunkSampler:
        table = agent.features(features), agent.actions(actions), demos.starts, demos.ends, subset
        return ChunkSampler(*table, config, seed=batch_seed, goals=goals, device=device)

    training, validation = sampler(episodes, cell_seed), sampler(held_out, cell_seed)
    agent.to(device)
    agent.policy.prepare(training.all(), torch_rng("prepare", cell_seed, device=device))
    summary: dict[str, Any] = {
        "policy_params": sum(p.numel() for p in agent.policy.parameters()),
        "fit_steps": 0,
        "frames_seen": 0,
        "feature_dim": spec.feature_dim,
        "goal_dim": spec.goal_dim,
    }
    if agent.policy.learns:
        summary |= _learn(context, agent, demos, training, validation)
    save_agent(agent, context.out / "last.safetensors")
    return summary


def _learn(context: Context, agent: Agent, demos: Demos, training: ChunkSampler, validation: ChunkSampler) -> dict[str, Any]:
    params, tuned = context.params, context.params.get("tuned")
    budget = params["budget"]
    steps = budget["steps"] or max(1, round((budget["epochs"] or agent.policy.config.epochs) * training.steps_per_epoch))
    best = context.work / "validation.safetensors"
    learner: Any = agent.policy
    if tuned:
        learner = JointModel(agent, tuned["lr"], tuned["precision"], params["features"])

    def batch_at(sampler: ChunkSampler, step: int) -> Chunks:
        return with_observations(sampler.batch_at(step), demos) if tuned else sampler.batch_at(step)

    def validate(curves: list[dict[str, float]]) -> dict[str, float]:
        with torch.no_grad():
            rng = torch_rng("validation", params["seed"], device=params["device"])
            batches = range(min(VALIDATION_BATCHES, validation.steps_per_epoch))
            loss = float(np.mean([float(learner.loss(batch_at(validation, i), rng)[0]) for i in batches]))
        if all(loss < row.get("validation_loss", np.inf) for row in curves):
            save_agent(agent, best)
        return {"validation_loss": loss}

    trained = train(
        learner,
        partial(batch_at, training),
        agent.policy.config,
        steps=steps,
        seed=seed("fit", params["seed"]),
        device=params["device"],
        precision="fp32",
        checkpoints=context.work,
        checkpoint_every=budget["checkpoint_every"],
        task=context.task,
        validate=validate,
    )
    trained.save(context.out / "curves.csv")
    best.replace(context.out / "validation.safetensors")
    return {
        "fit_steps": steps,
        "fit_seconds": trained.seconds,
        "validation_loss": trained.curves[-1]["validation_loss"],
        "frames_seen": steps * training.batch_size * agent.policy.config.history * len(demos.spec.views) if tuned else 0,
    }


class JointModel(nn.Module):
    """An encoder and a policy that learn as one. Its batches hold observations where those of a policy hold features."""

    def __init__(self, agent: Agent, lr_scale: float, precision: str, kind: str):
        super().__init__()
        self.agent, self.lr_scale, self.precision, self.kind = agent, lr_scale, precision, kind

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        goal = batch.goal if batch.goal is None or batch.goal_rows is None else self._features(batch.goal)
        features = self._features(batch.features.flatten(0, 1)).unflatten(0, batch.features.shape[:2])
        return self.agent.policy.loss(replace(batch, features=features, goal=goal), rng)

    def groups(self) -> list[ParameterGroup]:
        assert self.agent.encoder is not None
        encoder = [p for p in self.agent.encoder.parameters() if p.requires_grad]
        return [*self.agent.policy.groups(), ParameterGroup("encoder", encoder, self.lr_scale)]

    def after_step(self, step: int, steps: int) -> None:
        self.agent.policy.after_step(step, steps)

    def _features(self, observations: Tensor) -> Tensor:
        """The policy itself stays in full precision, as beside a frozen encoder."""
        assert self.agent.encoder is not None
        half = torch.autocast(observations.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with half:
            features = features_of(self.agent.encoder, Observations(frames=observations), self.kind)
        return self.agent.features(features.float())


def with_observations(batch: Chunks, demos: Demos) -> Chunks:
    """The batch with raw observations in place of cached features."""

    def look(rows: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(demos.frames[rows.cpu().numpy()])).to(rows.device, non_blocking=True)

    assert batch.rows is not None
    goal = batch.goal if batch.goal_rows is None else look(batch.goal_rows)
    return replace(batch, features=look(batch.rows), goal=goal)


def build_agent(params: dict[str, Any], spec: PolicySpec, encoder: Encoder | None) -> Agent:
    cls = registry.policies().get(params["policy"])
    return Agent(cls(cls.Config(**params["config"]), spec), encoder)


def save_agent(agent: Agent, path: Path) -> None:
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in agent.state_dict().items()}, path)
