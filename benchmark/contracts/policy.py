"""A history of features (and a goal) -> a chunk of actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from benchmark.contracts.data import ActionBatch, Chunks
from benchmark.contracts.specs import PolicySpec, Presets, require, require_sizes
from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.core.typed import to_json

T = TypeVar("T")
ACTING = "acting"  # in the metadata of a field


def acting(default: T) -> T:
    """The default of a setting that acting alone reads, such as a temperature: rollouts answer to it, and no fit does.

    A fit is built with this default, whatever its other settings are: it has to be allowed with all of them.
    """
    return field(default=default, metadata={ACTING: True})


@dataclass
class PolicyConfig(TrainingConfig):
    """Fields every policy has. Features and actions reach a policy normalised; it answers in normalised actions."""

    history: int = 1  # observations seen
    stride: int = 1  # control steps between them
    chunk: int = 1  # actions predicted
    execute: int = acting(1)  # of which are executed before planning again
    ensemble: bool = acting(False)  # average overlapping predictions for a step (then execute is 1)
    batch_size: int = 256
    epochs: float = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sizes(self, "history", "stride", "chunk", "execute")
        require(self.execute <= self.chunk, f"execute={self.execute} actions cannot come from a chunk of {self.chunk}")
        require(not self.ensemble or self.execute == 1, "ensemble plans at every step: it needs execute=1")

    def split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What training reads and what acting alone reads, as they stand in parameters. Both together are the whole again."""
        marked = {each.name for each in fields(self) if ACTING in each.metadata}
        values = to_json(self)
        return {k: v for k, v in values.items() if k not in marked}, {k: v for k, v in values.items() if k in marked}


@dataclass
class TokenizerConfig:
    """The settings that a tokenizer is made of, under the names that they have among those of its policy."""

    chunk: int = 1


class ActionTokenizer(nn.Module):
    """What a policy makes of actions alone before it is trained, such as codes or clusters.

    A stage of its own fits it, once for all encoders of an environment. Each training seed has its own, because a tokenizer is
    part of what differs between two trainings, and the spread between seeds is what a table compares methods by.

    One that only looks at all chunks once, such as clusters, implements `prepare`. One that learns by gradient after that says
    how in `learning` and implements `loss`; what `Method` says of graphs holds for it. What is fitted must live in parameters
    or buffers, because the state dict is what is stored.
    """

    Config: ClassVar[type[TokenizerConfig]] = TokenizerConfig  # no other setting of the policy can matter here

    def __init__(self, config: Any, action_dim: int):
        super().__init__()
        self.config = config

    @classmethod
    def settings(cls, config: PolicyConfig) -> TokenizerConfig:
        """Those of a policy's settings that it is made of."""
        return cls.Config(**{field.name: getattr(config, field.name) for field in fields(cls.Config)})

    def samples(self, actions: Tensor) -> Tensor:
        """Which of the chunks (N, chunk, A) of all training samples, normalised, it is fitted to."""
        return actions

    def prepare(self, actions: Tensor, rng: torch.Generator) -> None:
        """Sees all that it is fitted to once."""

    @classmethod
    def held(cls, config: Any) -> int:
        """How many numbers `prepare` holds of each sample at once: `plan` asks for their memory."""
        return 0

    def learning(self) -> TrainingConfig | None:
        """How it is trained after that; None: not at all."""
        return None

    def loss(self, batch: ActionBatch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError(f"{type(self).__name__} does not learn by gradient")

    def after_step(self, step: int, steps: int) -> None:
        """As for methods."""

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("tokenizer", [p for p in self.parameters() if p.requires_grad])]


class Policy(nn.Module, ABC):
    """A history of features (and a goal) -> a chunk of actions.

    What its `inputs` name comes besides the features: `proprio` (N, history, P) and `language` (N, L), in training batches and
    as keyword arguments of its `act`; the spec has their sizes. A policy that does not name "proprio" may be given it all the
    same, appended to the features of each observation.

    A trained policy implements `loss` and `act`; one without training (`learns = False`) implements `prepare` and `act`.
    `prepare` sees all training samples once, before training: a bank of neighbours. What it fits must live in parameters or
    buffers, because the state dict is what is stored. What `Method` says of graphs holds for `loss` and `after_step` here.

    A policy that makes something of actions alone names the class as its `Tokenizer` and keeps one, untrained, as
    `self.tokenizer`. It is fitted when `prepare` is called.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""  # over its column of a table; empty: the name
    Config: ClassVar[type[PolicyConfig]] = PolicyConfig
    presets: ClassVar[Presets] = {}
    learns: ClassVar[bool] = True
    Tokenizer: ClassVar[type[ActionTokenizer] | None] = None
    needs_goal: ClassVar[bool] = False  # it is nothing without one: refused under fit.goal=none
    every_step: ClassVar[bool] = False  # its loss is on every observation of the history: batches have `taken`
    inputs: ClassVar[tuple[str, ...]] = ("features",)  # and "proprio", "language", where it takes these by themselves
    source: ClassVar[str] = ""
    tokenizer: ActionTokenizer  # where `Tokenizer` names its class

    def __init__(self, config: Any, spec: PolicySpec):
        super().__init__()
        self.config, self.spec = config, spec

    def prepare(self, samples: Chunks, rng: torch.Generator) -> None:
        """Fit what has to be fitted before training starts. `samples` holds the whole training set."""

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError(f"{self.name} does not learn by gradient")

    @abstractmethod
    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        """(N, history, D) -> (N, chunk, A). Row i may draw from `rngs[i]` only: it belongs to that row's episode."""

    def given(self, samples: Chunks) -> dict[str, Tensor]:
        """What of some samples `act` takes by name, as `inputs` say."""
        named = {"proprio": samples.proprio, "language": samples.language}
        return {name: value for name, value in named.items() if name in self.inputs and value is not None}

    def after_step(self, step: int, steps: int) -> None:
        """As for methods; averaged weights go here."""

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("all", [p for p in self.parameters() if p.requires_grad])]
