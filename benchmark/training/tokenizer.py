"""What a policy makes of actions, fitted to all chunks of its training demonstrations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmark.contracts.data import ActionBatch
from benchmark.contracts.policy import ActionTokenizer, TokenizerConfig
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Task
from benchmark.core.seeds import seed as seed_of
from benchmark.core.seeds import torch_rng
from benchmark.data.shuffle import Shuffle
from benchmark.training.checkpoints import Trained
from benchmark.training.loop import train


@dataclass
class ActionSampler:
    chunks: Tensor  # (N, chunk, A)
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        self.batch_size = min(self.batch_size, len(self.chunks))
        self._rows = Shuffle(len(self.chunks), self.batch_size, self._order)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.chunks) / self.batch_size)

    def batch_at(self, step: int) -> ActionBatch:
        return ActionBatch(self.chunks[self._rows.at(step)])

    def _order(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.chunks), generator=torch_rng("tokenize", self.seed, epoch)).to(self.chunks.device)


def fit_tokenizer(
    cls: type[ActionTokenizer],
    config: TokenizerConfig,
    actions: Tensor,
    *,
    seed: int,
    device: str,
    checkpoints: Path,
    checkpoint_every: int,
    task: Task,
) -> tuple[ActionTokenizer, Trained | None]:
    """One that is fitted to the chunks (N, chunk, A) of all training samples; None: nothing is learnt by gradient."""
    if cls.prepare is ActionTokenizer.prepare and cls.learning is ActionTokenizer.learning:
        raise BenchmarkError(f"{cls.__name__} is fitted to nothing: it implements neither `prepare` nor `learning` and `loss`")
    torch.manual_seed(seed_of("initialise tokenizer", seed))
    tokenizer = cls(config, actions.shape[-1]).to(device)
    chunks = tokenizer.samples(actions)
    tokenizer.prepare(chunks, torch_rng("tokenize", seed, device=device))
    training = tokenizer.learning()
    if training is None:
        return tokenizer, None
    sampler = ActionSampler(chunks, training.batch_size, seed)
    trained = train(
        tokenizer,
        sampler.batch_at,
        training,
        steps=max(1, round(training.epochs * sampler.steps_per_epoch)),
        seed=seed_of("tokenize", seed),
        device=device,
        precision="fp32",
        checkpoints=checkpoints,
        checkpoint_every=checkpoint_every,
        task=task,
    )
    return tokenizer, trained
