"""A policy that is ready to be trained or to act, without the stages that would bring it there."""

from __future__ import annotations

import torch

from benchmark.conformance.policies import fitted_tokenizer
from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy


def prepare(policy: Policy, samples: Chunks, rng: torch.Generator) -> None:
    """In place: its tokenizer, where it has one, and what it prepares itself."""
    if policy.Tokenizer:
        tokenizer = fitted_tokenizer(policy.Tokenizer, policy.config, samples.actions, rng.initial_seed())
        policy.tokenizer.load_state_dict(tokenizer.state_dict())
    policy.prepare(samples, rng)
