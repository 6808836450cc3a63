"""A policy with its normalisers, and its encoder where the two were trained together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.policy import Policy
from benchmark.contracts.specs import PolicySpec
from benchmark.data.normalize import Normalizer

ACTION_RANGE = "minmax"  # how actions are normalised: to [-1, 1]


class Agent(nn.Module):
    """Raw features -> actions in the environment's units. Its state dict is all that a finished fit has to store.

    `encoder` is the agent's own copy where it was trained together with the policy; a frozen one stays with its pretraining.
    Proprioception of `proprio_dim` numbers is part of what the policy is given: by itself, if the policy's `inputs` name it,
    else appended to the features of each observation (late fusion), so that any head can take it.
    """

    def __init__(self, policy: Policy, encoder: Encoder | None = None, proprio_dim: int = 0):
        super().__init__()
        self.policy, self.encoder = policy, encoder
        self.fuses = proprio_dim > 0 and "proprio" not in policy.inputs
        self.features = Normalizer(policy.spec.feature_dim - (proprio_dim if self.fuses else 0))
        self.actions = Normalizer(policy.spec.action_dim)
        self.proprio = Normalizer(proprio_dim) if proprio_dim else None

    @classmethod
    def build(cls, policy: type[Policy], config: Any, spec: PolicySpec, encoder: Encoder | None = None) -> Agent:
        """An agent with a new policy. `spec` says what there is, whatever of it the policy takes and how."""
        fused = 0 if "proprio" in policy.inputs else spec.proprio_dim
        language = spec.language_dim if "language" in policy.inputs else 0
        seen = replace(spec, feature_dim=spec.feature_dim + fused, proprio_dim=spec.proprio_dim - fused, language_dim=language)
        if fused:
            seen = replace(seen, views=1, tokens=1)
        return cls(policy(config, seen), encoder, spec.proprio_dim)

    def fit_normalizers(
        self,
        features: Tensor | np.ndarray | None,
        actions: Tensor | np.ndarray,
        proprio: Tensor | np.ndarray | None = None,
    ) -> None:
        """Statistics of the training rows. All but actions is standardised; features of which there are None are left alone."""
        if features is not None:
            self.features.fit(features)
        self.actions.fit(actions, ACTION_RANGE)
        if (proprio is None) != (self.proprio is None):
            raise ValueError("an agent with proprioception needs its training rows, and only such an agent does")
        if self.proprio is not None and proprio is not None:
            self.proprio.fit(proprio)

    def observe(self, features: Tensor, proprio: Tensor | None = None) -> Tensor:
        """(..., D) raw features and (..., P) raw proprioception -> what the policy is given as features."""
        normal = self.features(features)
        if not self.fuses:
            return normal
        assert self.proprio is not None
        assert proprio is not None
        return torch.cat([normal, self.proprio(proprio)], dim=-1)

    def separate(self, proprio: Tensor | None) -> Tensor | None:
        """(..., P) raw -> what a policy that takes proprioception by itself is given; None for any other."""
        return None if self.proprio is None or self.fuses else self.proprio(proprio)

    @torch.no_grad()
    def act(self, features: Tensor, given: Observations, rngs: Sequence[torch.Generator]) -> Tensor:
        """(N, history, D) raw features, and what else is given of the same rows -> (N, chunk, A) actions."""
        separate = {"proprio": self.separate(given.proprio), "language": given.language}
        more: dict[str, Any] = {name: tensor for name, tensor in separate.items() if name in self.policy.inputs}
        observed = self.observe(features, given.proprio)
        return self.actions.inverse(self.policy.act(observed, given.goal, rngs, **more))
