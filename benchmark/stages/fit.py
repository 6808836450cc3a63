"""Features + actions -> a policy.

A frozen encoder is not even loaded: only its cached features are read, so it cannot change. One that is trained jointly starts
from its pretraining and learns together with the policy, from frames; its own cached features serve what a policy prepares
before. What depends on actions alone has been made by a stage that all encoders share.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.contracts.data import Chunks
from benchmark.contracts.encoder import Encoder, FusedEncoder
from benchmark.contracts.policy import Policy
from benchmark.contracts.specs import PolicySpec
from benchmark.core.machine import resolve_policy_precision
from benchmark.core.seeds import seed, torch_rng
from benchmark.data.augment import JOINT, NOTHING
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.ema import EMA
from benchmark.stages.base import Context
from benchmark.stages.goals import training_goals, training_language
from benchmark.stages.load.agent import build_agent, file_of
from benchmark.stages.load.demos import environment_of, load_demos, load_features
from benchmark.stages.load.encoder import load_trainable_encoder
from benchmark.stages.load.tokenizer import load_tokenizer
from benchmark.stages.params import embed
from benchmark.stages.params.fit import LAST, VALIDATION, Params, Summary
from benchmark.training import frozen
from benchmark.training.checkpoints import on_cpu
from benchmark.training.joint import JointModel, with_observations
from benchmark.training.loop import train

VALIDATION_BATCHES = 8


def run(context: Context[Params]) -> Summary:
    params = context.params
    device, joint = context.device(params.device), params.joint
    demos = load_demos(context)
    features = torch.from_numpy(np.array(load_features(context), np.float32))
    actions, proprio = torch.from_numpy(demos.actions), torch.from_numpy(demos.proprio) if params.proprio else None
    episodes, held_out = demos.split(params.held_out)
    torch.manual_seed(seed("initialise policy", params.seed))
    encoder = load_trainable_encoder(context.inputs["encoder"], demos.spec) if joint else None
    sizes, goals, language = _told(context, demos, features.shape[1], encoder)
    agent = build_agent(params, sizes, encoder)
    rows = torch.from_numpy(demos.steps_of(episodes))
    agent.fit_normalizers(
        features[rows] if params.standardise else None, actions[rows], proprio=None if proprio is None else proprio[rows]
    )
    config = replace(agent.policy.config, batch_size=joint.batch) if joint else agent.policy.config

    def sampler(subset: np.ndarray) -> ChunkSampler:
        return ChunkSampler(
            *(agent.observe(features, proprio), agent.actions(actions), demos.starts, demos.ends, subset, config),
            seed=params.seed,
            goals=goals,
            device=device,
            proprio=agent.separate(proprio),
            language=language,
            shares=demos.shares,
            taken=agent.policy.every_step,
        )

    training, validation = sampler(episodes), sampler(held_out)
    if agent.policy.Tokenizer:
        load_tokenizer(context.inputs["tokenizer"], agent.policy)
    agent.to(device)
    if type(agent.policy).prepare is not Policy.prepare:  # all samples are many times the features
        shown = training.all()
        shown = shown if sizes.goal_dim else replace(shown, goal=None)  # which the encoder may take
        agent.policy.prepare(shown, torch_rng("prepare", params.seed, device=device))
    summary = Summary(
        policy_params=size_of(agent.policy),
        feature_dim=sizes.feature_dim,
        goal_dim=sizes.goal_dim,
        proprio_dim=sizes.proprio_dim,
        language_dim=sizes.language_dim,
        views=sizes.views,
        tokens=sizes.tokens,
    )
    if agent.policy.learns:
        summary = _learn(context, agent, demos, training, validation, summary)
    save_file(on_cpu(agent.state_dict()), context.out / file_of(LAST))
    return summary


def size_of(policy: Policy) -> int:
    """Its numbers, those that an average is kept of once."""
    copies = {id(p) for module in policy.modules() if isinstance(module, EMA) for p in module.parameters()}
    return sum(p.numel() for p in policy.parameters() if id(p) not in copies)


def _told(
    context: Context[Params], demos: Demos, feature_dim: int, encoder: Encoder | None
) -> tuple[PolicySpec, str | np.ndarray | None, np.ndarray | None]:
    """The sizes of all that there is for a policy, its goals and its language. Goals that its encoder takes are none of its."""
    params, inputs = context.params, registry.policies().get(context.params.policy).inputs
    env, env_config = environment_of(context.inputs["demos"])
    goals = training_goals(params.goal, demos, env.spec(env_config))
    language = training_language(demos) if "language" in inputs else None
    proprio_dim = demos.spec.proprio_dim if params.proprio else 0
    observed_dim = feature_dim + (0 if "proprio" in inputs else proprio_dim)
    goal_dim = 0 if goals is None else observed_dim if isinstance(goals, str) else goals.shape[1]
    if encoder is not None and encoder.takes_goal:
        goal_dim = 0
    language_dim = 0 if language is None else language.shape[1]
    parts = context.inputs["features"].summary(embed.Summary)
    dims = feature_dim, demos.spec.action_dim, goal_dim, proprio_dim, language_dim
    return PolicySpec(*dims, parts.views, parts.tokens), goals, language


def _learn(
    context: Context[Params], agent: Agent, demos: Demos, training: ChunkSampler, validation: ChunkSampler, untrained: Summary
) -> Summary:
    params, joint, device = context.params, context.params.joint, context.facts["device"]
    budget = params.budget
    assert budget is not None
    steps = budget.steps or max(1, round((budget.epochs or agent.policy.config.epochs) * training.steps_per_epoch))
    seen = steps * training.batch_size * agent.policy.config.history
    context.facts["policy_precision"] = policy_precision = resolve_policy_precision(params.precision, device)
    if params.compile:
        context.facts["arithmetic"] += ", compiled"
    learner: Any = agent.policy
    kept: np.ndarray | None = None
    if joint:
        proprio, precision = torch.from_numpy(demos.proprio).to(device), context.precision(joint.precision, device)
        learner = JointModel(agent, joint.rates, precision, joint.features, proprio, JOINT[joint.augment])
        still = JOINT[joint.augment] == NOTHING  # otherwise a frozen network sees other pixels in every step
        if still and isinstance(agent.encoder, FusedEncoder) and frozen.pays(agent.encoder, demos, seen, device):
            kept = frozen.compute(agent.encoder, demos, precision, context.work, context.task)

    def batch_at(sampler: ChunkSampler, step: int) -> Chunks:
        return with_observations(sampler.batch_at(step), demos, kept) if joint else sampler.batch_at(step)

    def validate() -> dict[str, float]:
        with torch.no_grad():
            rng = torch_rng("validation", params.seed, device=device)
            batches = range(min(VALIDATION_BATCHES, validation.steps_per_epoch))
            losses = [float(learner.loss(batch_at(validation, i), rng)[0]) for i in batches]
        return {"validation_loss": float(np.mean(losses))}

    trained = train(
        learner,
        partial(batch_at, training),
        agent.policy.config,
        steps=steps,
        seed=seed("fit", params.seed),
        device=device,
        precision=policy_precision,
        checkpoints=context.work,
        checkpoint_every=budget.checkpoint_every,
        task=context.task,
        validate=validate,
        keep=agent,
        compiled=params.compile,
    )
    trained.save(context.out / "curves.csv")
    save_file(trained.best, context.out / file_of(VALIDATION))
    views = len(demos.spec.views)
    return replace(
        untrained,
        fit_steps=steps,
        fit_seconds=trained.seconds,
        validation_loss=trained.curves[-1]["validation_loss"],
        frames_seen=seen * views if joint else 0,
    )
