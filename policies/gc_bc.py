"""Goal-conditioned behaviour cloning, as in BridgeData V2 (Walke et al. 2023) and its PyTorch port for Open X-Embodiment.

An observation and a goal give a Gaussian over actions whose deviation is fixed at 1, so its likelihood is a squared error and
it acts by its mean. How the two are fused is the row's: with `early_fusion` they are stacked over channels into a ResNet that
learns with the policy, as published; every other row encodes both, frozen or learning, and they meet here (late fusion).
Pretrained encoders have three input channels, so late fusion is what compares them.

Goals are hindsight's: `fit.goal=future` draws one of the observations from now to the demonstration's end anew for each sample
(the published ones draw from the next observation on, so that the last one is its own goal), `fit.goal=last` takes the end. In
a rollout the goal is the end of a held-out demonstration. `joint.augment=bridge` crops and colours an observation and its goal
alike, where the encoder learns.

On block pushing (two views of 64 pixels, 90 scripted demonstrations, 1500 steps of 32), 30 held-out demonstrations, early
fusion: 0.38 [0.32, 0.44] of the mean action's squared error with their own end as the goal, 0.72 [0.61, 0.83] with another
one's (results/measured/goals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec, require_probabilities, require_sizes
from benchmark.policies._shared.parts import HORIZONS, QUICK_HORIZON, SMOKE_HORIZON, condition, masked_mean


@dataclass
class GCBCConfig(PolicyConfig):
    hidden: int = 256
    depth: int = 3
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "hidden", "depth")
        require_probabilities(self, "dropout")


QUICK = QUICK_HORIZON | {"lr": 1e-3, "schedule": "cosine"}


class GCBC(Policy):
    """Three layers of 256 (0.26M parameters on 512 features)."""

    name = "gc_bc"
    title = "GC-BC"
    Config = GCBCConfig
    needs_goal = True
    source = "BridgeData V2 (Walke et al. 2023), gc_bc; github.com/rail-berkeley/bridge_data_v2"
    presets = {
        "smoke": SMOKE_HORIZON | {"hidden": 32, "batch_size": 32, "lr": 1e-3},
        "quick": QUICK,
        "standard": QUICK,
        **HORIZONS,
        # 3e-4 after 2k steps of warm-up, then a cosine over 2M, batches of 256: experiments/configs/train_config.py
        "paper": {"optimizer": "adam", "lr": 3e-4, "schedule": "cosine", "warmup": 0.001},
    }

    def __init__(self, config: GCBCConfig, spec: PolicySpec):
        super().__init__(config, spec)
        sizes = [config.history * (spec.feature_dim + spec.goal_dim), *[config.hidden] * config.depth]
        parts = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.Dropout(config.dropout), nn.SiLU())]
        self.net = nn.Sequential(*parts, nn.Linear(sizes[-1], config.chunk * spec.action_dim))

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The negative log-likelihood of an action, averaged over those that exist, less what nothing changes: log(2 pi) / 2
        per number, 6.4326 for the seven of an arm."""
        squared = masked_mean((self._mean(batch.features, batch.goal) - batch.actions) ** 2, batch.valid)
        return self.spec.action_dim / 2 * squared, {"mse": squared.detach()}

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        return self._mean(features, goal)

    def _mean(self, features: Tensor, goal: Tensor | None) -> Tensor:
        flat = self.net(condition(features, goal).flatten(1))
        return flat.unflatten(1, (self.config.chunk, self.spec.action_dim))
