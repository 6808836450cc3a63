"""The agent that a fit left: the policy, its normalisers, and its own encoder where the two were trained jointly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safetensors.torch import load_file

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.specs import PolicySpec
from benchmark.core.typed import from_json
from benchmark.models.agent import Agent
from benchmark.stages.base import Artifact
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params.fit import LAST, Params, Summary


def file_of(checkpoint: str) -> str:
    return f"{checkpoint}.safetensors"


def build_agent(params: Params, spec: PolicySpec, encoder: Encoder | None) -> Agent:
    cls = registry.policies().get(params.policy)
    return Agent.build(cls, from_json(cls.Config, params.config), spec, encoder)


def load_acting(
    policy: Artifact, acting: Mapping[str, Any], encoder: Artifact, spec: DataSpec, checkpoint: str, device: str
) -> tuple[Encoder, Agent]:
    """The encoder that acts, which is the agent's own where it was trained with the policy, and the agent, at the checkpoint
    that the recipe names. A policy without training has one checkpoint only. `acting` are the settings that its fit was made
    without."""
    fitted, summary = policy.params(Params), policy.summary(Summary)
    params = replace(fitted, config={**fitted.config, **acting})
    pretrained = load_encoder(encoder, spec)
    dims = summary.feature_dim, spec.action_dim, summary.goal_dim, summary.proprio_dim, summary.language_dim
    sizes = PolicySpec(*dims, summary.views, summary.tokens)
    agent = build_agent(params, sizes, pretrained if params.joint else None)
    learns = registry.policies().get(params.policy).learns
    agent.load_state_dict(load_file(policy.folder / file_of(checkpoint if learns else LAST)))
    agent = agent.to(device).eval()
    return (agent.encoder or pretrained).to(device), agent
