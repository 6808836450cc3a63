"""Nearest neighbours with locally weighted regression: the policy without training.

The action is the average of what was done at the k most similar observations, weighted by softmax(-distance), as in VINN (Pari
et al. 2022, section 3.2), the source of the DynaMo paper's "kNN (LWR)" column. That paper does not give k. Ours was chosen on
the kitchen state, where many neighbours blur what single demonstrators did: 3.3 of 4 tasks with k = 4, 2.9 with 1, none with 16
(10 to 16 episodes each, one scripted data set). Distances are Euclidean over the standardised features of the whole history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig, acting
from benchmark.contracts.specs import PolicySpec, require_sizes
from benchmark.policies._shared.parts import HORIZONS, QUICK_HORIZON, SMOKE_HORIZON, condition

QUERIES = 64  # compared with the whole bank at once: 64 x 128,000 distances are 33 MB


@dataclass
class KNNConfig(PolicyConfig):
    k: int = acting(4)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "k")


class KNN(Policy):
    """k-NN over all training samples; exact."""

    name = "knn"
    title = "kNN (LWR)"
    Config = KNNConfig
    learns = False
    source = "VINN (Pari et al. 2022); DynaMo paper, Table 4"
    presets = {
        "smoke": SMOKE_HORIZON | {"k": 4},
        "quick": QUICK_HORIZON,
        "standard": QUICK_HORIZON,
        **HORIZONS,
        "paper": {},
    }

    keys: Tensor
    values: Tensor

    def __init__(self, config: KNNConfig, spec: PolicySpec):
        super().__init__(config, spec)
        self.register_buffer("keys", torch.empty(0, config.history * (spec.feature_dim + spec.goal_dim)))
        self.register_buffer("values", torch.empty(0, config.chunk * spec.action_dim))
        self._squares: Tensor | None = None  # of the norms of the keys, from the first query on

    def prepare(self, samples: Chunks, rng: torch.Generator) -> None:
        self.keys = condition(samples.features, samples.goal).flatten(1)
        self.values = samples.actions.flatten(1)
        self._squares = None

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        queries = condition(features, goal).flatten(1)
        actions = torch.cat([self._regress(part) for part in queries.split(QUERIES)])
        return actions.unflatten(1, (self.config.chunk, self.spec.action_dim))

    def _regress(self, queries: Tensor) -> Tensor:
        """Neighbours by one matrix product, then their distances again by difference: the expanded square |q|² - 2qk + |k|²
        cancels badly exactly where the weights are decided, between very similar observations."""
        if self._squares is None or self._squares.device != self.keys.device:
            self._squares = (self.keys**2).sum(1)
        squared = self._squares - 2 * queries @ self.keys.T  # up to |q|², the same for all keys
        nearest = squared.topk(min(self.config.k, len(self.keys)), largest=False).indices
        distance = (queries[:, None] - self.keys[nearest]).norm(dim=-1)
        return (torch.softmax(-distance, dim=-1)[..., None] * self.values[nearest]).sum(1)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The bank is as long as the training set, which a freshly built policy does not know."""
        self._squares = None
        for name in ("keys", "values"):
            if prefix + name in state_dict:
                stored = state_dict[prefix + name]
                setattr(self, name, stored.new_empty(stored.shape, device=self.keys.device))
        super()._load_from_state_dict(state_dict, prefix, *args)
