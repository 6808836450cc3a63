"""The released VQ-BeT (github.com/jeffacce/dynamo_ssl at 6287403) in training, for `bench --reference`.

Its loader and its model are imported from a checkout. Its online_eval.py is not, because it wants hydra, wandb and a simulator;
what that does in a step of training is done here again, but for logging.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.bench.released import modules_of
from benchmark.core.errors import BenchmarkError
from benchmark.policies.vqbet import GPT_OUTPUTS, VQBeTConfig

MODULES = ("models.vq_behavior_transformer.bet", "utils.inference", "datasets.core", "datasets.vqbet_repro")
PACKAGES = ("accelerate", "einops", "scikit-learn", "tqdm")  # that these import
VIEWS = 1


@dataclass(frozen=True)
class Release:
    """The classes of a checkout."""

    model: Any
    embedded: Any
    slices: Any


def load_release(checkout: Path) -> Release:
    model, _, core, slicer = modules_of(checkout, MODULES, PACKAGES)
    return Release(model.BehaviorTransformer, core.TrajectoryEmbeddingDataset, slicer.TrajectorySlicerDataset)


class Released:
    """Steps on shuffled windows of episodes whose features are there already. Its codes are those it was made with: how long a
    step takes does not depend on them."""

    def __init__(self, release: Release, config: VQBeTConfig, episodes: Sequence[tuple[Tensor, Tensor]], device: str):
        features, actions = episodes[0]
        self._device = device
        known = release.embedded(
            nn.Identity(), [(*episode, torch.ones(len(episode[0]))) for episode in episodes], device=device
        )
        windows = release.slices(known, window=config.history, action_window=config.chunk)
        # The release takes what is left of an epoch as a smaller batch; without it every step has as many samples.
        self._loader = torch.utils.data.DataLoader(windows, config.batch_size, shuffle=True, drop_last=True)
        if not len(self._loader):
            raise BenchmarkError(f"{len(windows)} windows are no batch of {config.batch_size}")
        self.model = release.model(
            obs_dim=features.shape[-1],
            act_dim=actions.shape[-1],
            goal_dim=0,
            views=VIEWS,
            vqvae_latent_dim=config.latent,
            vqvae_n_embed=config.codes,
            vqvae_groups=config.groups,
            vqvae_fit_steps=0,
            vqvae_iters=0,
            n_layer=config.layers,
            n_head=config.heads,
            n_embd=config.width,
            offset_loss_multiplier=config.offset_weight,
            obs_window_size=config.history,
            act_window_size=config.chunk,
        )
        mlp: Any = type(self.model._map_to_cbet_preds_bin)  # 1024 wide in the release, whatever is configured
        codes, hidden = config.groups * config.codes, [config.hidden] * 2
        self.model._map_to_cbet_preds_bin = mlp(GPT_OUTPUTS, [*hidden, codes])
        self.model._map_to_cbet_preds_offset = mlp(GPT_OUTPUTS, [*hidden, codes * config.chunk * actions.shape[-1]])
        self.model.vqvae_is_fit = True
        self.model.to(device).train()
        self._optimizer = self.model.configure_optimizers(config.weight_decay, config.lr, config.betas)
        self._batches = self._endless()

    def step(self) -> Tensor:
        self._optimizer.zero_grad()
        seen, actions, goal = (part.to(self._device) for part in next(self._batches))
        _, loss, _ = self.model(seen.flatten(2), goal.flatten(2), actions)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def _endless(self) -> Iterator[Any]:
        while True:
            yield from self._loader
