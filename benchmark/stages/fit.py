"""Features + actions -> a policy. Only cached features are read: the encoder is not even loaded, so it cannot change."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.agent import Agent
from benchmark.contracts import PolicySpec
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import open_demos
from benchmark.seeds import seed, torch_rng
from benchmark.stages.context import Context
from benchmark.train import train

VALIDATION_BATCHES = 8


def run(context: Context) -> dict[str, Any]:
    params = context.params
    device, cell_seed = params["device"], params["seed"]
    demos = open_demos(context.inputs["demos"])
    raw = np.load(context.inputs["embed"] / "features.npy", mmap_mode="r", allow_pickle=False)
    features = torch.from_numpy(np.array(raw, np.float32))
    actions = torch.from_numpy(demos.actions)
    episodes, held_out = demos.split(params["split"]["held_out"])
    torch.manual_seed(seed("initialise policy", cell_seed))
    agent = build_agent(context, PolicySpec(features.shape[1], demos.spec.action_dim))
    rows = torch.from_numpy(demos.steps_of(episodes))
    agent.fit_normalizers(features[rows], actions[rows])
    config = agent.policy.config

    def sampler(subset: np.ndarray, batch_seed: int) -> ChunkSampler:
        normal = agent.features(features), agent.actions(actions)
        return ChunkSampler(*normal, demos.starts, demos.ends, subset, config, seed=batch_seed, device=device)

    training, validation = sampler(episodes, cell_seed), sampler(held_out, cell_seed)
    agent.to(device)
    agent.policy.prepare(training.all(), torch_rng("prepare", cell_seed, device=device))
    summary: dict[str, Any] = {"policy_params": sum(p.numel() for p in agent.policy.parameters()), "fit_steps": 0}
    summary["feature_dim"] = features.shape[1]
    if agent.policy.learns:
        summary |= _learn(context, agent, training, validation)
    save_agent(agent, context.out / "last.safetensors")
    return summary


def _learn(context: Context, agent: Agent, training: ChunkSampler, validation: ChunkSampler) -> dict[str, Any]:
    params, policy = context.params, agent.policy
    budget = params["budget"]
    steps = budget["steps"] or max(1, round((budget["epochs"] or policy.config.epochs) * training.steps_per_epoch))
    best = context.work / "validation.safetensors"

    def validate(curves: list[dict[str, float]]) -> dict[str, float]:
        with torch.no_grad():
            rng = torch_rng("validation", params["seed"], device=params["device"])
            batches = range(min(VALIDATION_BATCHES, validation.steps_per_epoch))
            loss = float(np.mean([float(policy.loss(validation.batch_at(i), rng)[0]) for i in batches]))
        if all(loss < row.get("validation_loss", np.inf) for row in curves):
            save_agent(agent, best)
        return {"validation_loss": loss}

    trained = train(
        policy,
        training.batch_at,
        policy.config,
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
    return {"fit_steps": steps, "fit_seconds": trained.seconds, "validation_loss": trained.curves[-1]["validation_loss"]}


def build_agent(context: Context, spec: PolicySpec) -> Agent:
    cls = registry.policies().get(context.params["policy"])
    return Agent(cls(cls.Config(**context.params["config"]), spec))


def save_agent(agent: Agent, path: Any) -> None:
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in agent.state_dict().items()}, path)
