"""RT-1 (Brohan et al. 2022, arXiv:2212.06817): actions as classes, read from the tokens of six observations by a transformer.

RT-1 is an image tokenizer that is told what to do, and this: a decoder of 8 layers over 6 x (8 image + 11 action) places, each
number of an action one of 256 bins, cross entropy. The tokenizer is the row `film_efficientnet`, whose `pooled` are eight
tokens an image, and which takes the goal; together they have the published 35M parameters (test_rt1.py). Any other row gives
the tokens it has: its pooled vector as one token a view, or with `embed.features=patch` all its places, which a TokenLearner
makes eight of here. They are told the goal before, as the tokenizer's last map is: a linear layer, then FiLM. Without that
layer the goal would be added to the features themselves, where nothing tells one from the other, and a head whose action is the
goal stays at 1.8 of the mean action's squared error where it comes to 0.1 with it (test_rt1.py). What the goal is says
`fit.goal`: an embedding of language that the demonstrations bring (RT-1's is USE's, 512 numbers), a task, or the features of a
goal image where nobody said anything; with `none` there is no conditioning.

As published: single actions, a plan at every step, argmax, a loss on the action of every observation of the history. What
differs: actions are rounded to the nearest of 256 values, where the release cuts them off, so that a decoded action is half a
bin too low on average and the highest bin is all but empty; the range is that of the training actions, where the release takes
the robot's; there is one token per dimension of the environment's action (11 there: 7 of the arm, 3 of the base, 1 mode); and
before an episode's first observation stand copies of it, as for every head here, where the release leaves later places empty.
Proprioception, where a run asks for it, is one more token.

The small one has 32 bins: a bin knows nothing of its neighbours, and each has to be met often. With 8 520 actions to learn
from, three hidden layers on the state of block pushing and the same steps leave the mean of the classes at 0.57, 0.58, 0.60,
0.65 of the mean action's squared error with 16, 32, 64, 256 bins, and the likeliest class at 0.77, 0.78, 0.88, 1.03. What 32
bins round away is below a hundredth of that error. The published 256 had 130 000 episodes. What it has been measured to learn
stands in docs/findings.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec, require, require_probabilities, require_sizes
from benchmark.models.film import FiLM, TokenLearner
from benchmark.models.rt1 import RT1Transformer


@dataclass
class RT1Config(PolicyConfig):
    history: int = 6
    optimizer: str = "adam"
    tokens: int = 8  # at most, of a view of an observation
    bins: int = 256
    layers: int = 8
    heads: int = 8
    head_dim: int = 128
    width: int = 512
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "tokens", "layers", "heads", "head_dim", "width")
        require_probabilities(self, "dropout")
        require(self.chunk == 1, f"rt1 predicts single actions, not chunks of {self.chunk}")
        require(self.bins >= 2, f"bins must be at least 2, not {self.bins}")


# The paper's structure at a size that two cores train.
SMALL: dict[str, Any] = {"bins": 32, "layers": 2, "heads": 4, "head_dim": 32, "width": 128, "lr": 1e-3, "schedule": "cosine"}


class RT1(Policy):
    name = "rt1"
    title = "RT-1"
    Config = RT1Config
    every_step = True
    inputs = ("features", "proprio")
    source = "RT-1 (Brohan et al. 2022); github.com/google-research/robotics_transformer"
    presets = {
        "smoke": {"history": 2, "layers": 1, "heads": 2, "head_dim": 8, "width": 32, "bins": 32, "batch_size": 32, "lr": 1e-3},
        "quick": SMALL,
        "standard": SMALL,
        "paper": {},  # configs/transformer_mixin.gin; neither paper nor release names batch and length of the training
    }

    def __init__(self, config: RT1Config, spec: PolicySpec):
        super().__init__(config, spec)
        width, kept = spec.feature_dim // (spec.views * spec.tokens), min(spec.tokens, config.tokens)
        if spec.goal_dim:
            self.project, self.film = nn.Linear(width, config.width), FiLM(spec.goal_dim, config.width)
            width = config.width
        self.learner = TokenLearner(width, kept) if spec.tokens > kept else None
        self.proprio = nn.Linear(spec.proprio_dim, width) if spec.proprio_dim else None
        self.transformer = RT1Transformer(
            width,
            moments=config.history,
            tokens=spec.views * kept + bool(spec.proprio_dim),
            actions=spec.action_dim,
            bins=config.bins,
            layers=config.layers,
            heads=config.heads,
            head_dim=config.head_dim,
            width=config.width,
            dropout=config.dropout,
        )

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        assert batch.taken is not None
        logits, target = self.logits(batch.features, batch.goal, batch.proprio), to_bins(batch.taken, self.config.bins)
        loss = F.cross_entropy(logits.flatten(0, 2), target.flatten())
        return loss, {"bin_accuracy": (logits[:, -1].argmax(-1) == target[:, -1]).float().mean()}

    def act(
        self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator], proprio: Tensor | None = None
    ) -> Tensor:
        return from_bins(self.logits(features, goal, proprio)[:, -1:].argmax(-1), self.config.bins)

    def logits(self, features: Tensor, goal: Tensor | None, proprio: Tensor | None) -> Tensor:
        """(N, history, D) -> (N, history, A, bins)."""
        n, history = features.shape[:2]
        tokens = features.reshape(n * history * self.spec.views, self.spec.tokens, -1)
        if self.spec.goal_dim and goal is not None:
            tokens = self.film(self.project(tokens), goal.repeat_interleave(history * self.spec.views, 0))
        if self.learner is not None:
            tokens = self.learner(tokens)
        tokens = tokens.reshape(n, history, -1, tokens.shape[-1])
        if self.proprio is not None and proprio is not None:
            tokens = torch.cat([tokens, self.proprio(proprio)[:, :, None]], dim=2)
        return self.transformer(tokens)


def to_bins(actions: Tensor, bins: int) -> Tensor:
    """The nearest of so many values from -1 to 1; what lies outside is at an end."""
    return ((actions.clamp(-1, 1) + 1) / 2 * (bins - 1)).round().long()


def from_bins(numbers: Tensor, bins: int) -> Tensor:
    return numbers / (bins - 1) * 2 - 1
