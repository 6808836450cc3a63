"""What scripts/released_*.py call of DynaMo's release, with its names, written anew with nothing of ours in it.

`write` makes a checkout of it, so that comparisons are tested where the release itself is not at hand.
"""

from __future__ import annotations

import itertools
import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

MODULES = {
    "models/encoder/resnet": "resnet18",
    "models/projector/inverse_dynamics": "InverseDynamicsProjector",
    "models/ssl/dynamo": "DynaMoSSL",
    "models/vq_behavior_transformer/bet": "BehaviorTransformer",
    "utils/inference": "repeat_start_to_length",
    "datasets/core": "TrajectoryEmbeddingDataset",
    "datasets/vqbet_repro": "TrajectorySlicerDataset",
}


def write(folder: Path, first_line: str = "") -> Path:
    for module, name in MODULES.items():
        path = folder / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{first_line}\nfrom tests.stand_in_release import {name}\n")
    for package in ("datasets", "utils"):  # as in the release, whose packages want what no comparison needs
        (folder / package / "__init__.py").write_text("import wand_of_absence\n")
    (folder / "envs").mkdir()
    (folder / "envs" / "__init__.py").touch()
    return folder


class resnet18(nn.Module):
    def __init__(self, pretrained: bool):
        super().__init__()
        assert not pretrained
        self.resnet = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (x.new_tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        return self.resnet((x.flatten(0, -4) - mean) / std).reshape(*x.shape[:-3], -1)


class Attention(nn.Module):
    def __init__(self, heads: int, width: int):
        super().__init__()
        self.heads, self.c_attn, self.c_proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in self.c_attn(x).chunk(3, -1))
        scores = torch.einsum("nqhc,nkhc->nhqk", q, k) / math.sqrt(q.shape[-1])
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        return self.c_proj(torch.einsum("nhqk,nkhc->nqhc", scores.masked_fill(later, -torch.inf).softmax(-1), v).flatten(2))


class Block(nn.Module):
    def __init__(self, heads: int, width: int):
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(width), Attention(heads, width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](nn.functional.gelu(self.mlp["c_fc"](self.ln_2(x))))


class Sequence(nn.Module):
    transformer: Any

    def __init__(self, inputs: int, outputs: int, window: int, n_layer: int, n_head: int, n_embd: int):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Linear(inputs, n_embd),
                "wpe": nn.Embedding(window, n_embd),
                "h": nn.ModuleList(Block(n_head, n_embd) for _ in range(n_layer)),
                "ln_f": nn.LayerNorm(n_embd),
            }
        )
        self.output_head = nn.Linear(n_embd, outputs)
        for name, parameter in self.named_parameters():  # all of them away from 0 and 1, so that an exchange is noticed
            nn.init.normal_(parameter, std=0.1 if name.endswith("weight") else 0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transformer["wte"](x) + self.transformer["wpe"](torch.arange(x.shape[1]))
        for block in self.transformer["h"]:
            x = block(x)
        return self.output_head(self.transformer["ln_f"](x))


class InverseDynamicsProjector(nn.Module):
    def __init__(self, window_size: int, input_dim: int, output_dim: int, dropout: float, **shape: int):
        super().__init__()
        self.model = Sequence(input_dim, output_dim, window_size, **shape)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.model(view) for view in x.unbind(2)], 2)

    def configure_optimizers(self, **adamw: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), **adamw)


class Average(nn.Module):
    def __init__(self, module: nn.Module, beta: float):
        super().__init__()
        self.model, self.beta = deepcopy(module).eval().requires_grad_(False), beta

    def step(self, module: nn.Module) -> None:
        for mine, other in zip(self.model.parameters(), module.parameters(), strict=True):
            mine.data = self.beta * mine.data + (1 - self.beta) * other.data


class DynaMoSSL(nn.Module):
    encoder: Any
    projector: Any

    def __init__(
        self,
        encoder: nn.Module,
        projector: nn.Module,
        *,
        window_size: int,
        feature_dim: int,
        projection_dim: int,
        dropout: float,
        covariance_reg_coef: float,
        ema_beta: float | None,
        beta_scheduling: bool,
        projector_use_ema: bool,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
        **shape: int,
    ):
        super().__init__()
        assert beta_scheduling
        assert projector_use_ema
        self.__dict__.update(encoder=encoder, projector=projector)
        self.forward_dynamics = Sequence(feature_dim + projection_dim, feature_dim, window_size, **shape)
        self.optimizer = torch.optim.AdamW(self.forward_dynamics.parameters(), lr, betas, weight_decay=weight_decay)
        self.coefficient, self.ema_beta = covariance_reg_coef, ema_beta
        if ema_beta is not None:
            self.ema_encoder, self.ema_projector = Average(encoder, ema_beta), Average(projector, ema_beta)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        x = target = self.encoder(frames)
        if self.ema_beta is None:
            z = self.projector(x)
        else:
            with torch.no_grad():
                target, z = self.ema_encoder.model(frames), self.ema_projector.model(x)
        predicted = self.forward_dynamics(torch.cat([x[:, :-1, 0], z[:, 1:, 0]], -1))
        wanted = target[:, 1:, 0].detach()
        dynamics = 1 - ((predicted * wanted).sum(-1) / (predicted.norm(dim=-1) * wanted.norm(dim=-1))).mean()
        matrix = torch.cov(x.flatten(0, -2).T)
        covariance = self.coefficient * matrix[~torch.eye(len(matrix), dtype=torch.bool)].square().mean()
        loss = dynamics + covariance
        return x, z, loss, {"dynamics_loss_total": dynamics, "covariance_loss": covariance}

    def adjust_beta(self, epoch: int, epochs: int) -> None:
        if self.ema_beta is not None:
            beta = 1 - (1 - self.ema_beta) * (1 + math.cos(math.pi * epoch / epochs)) / 2
            self.ema_encoder.beta = self.ema_projector.beta = beta

    def step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.ema_beta is not None:
            self.ema_encoder.step(self.encoder)
            self.ema_projector.step(self.projector)


def repeat_start_to_length(x: Tensor, length: int) -> Tensor:
    return torch.cat([x[:1].expand(length - len(x), *x.shape[1:]), x])


class TrajectoryEmbeddingDataset:
    def __init__(self, model: nn.Module, episodes: list[tuple[Tensor, Tensor, Tensor]], device: str):
        self.episodes = [(model(seen), done) for seen, done, _ in episodes]


class TrajectorySlicerDataset(torch.utils.data.Dataset):
    """Windows of `window` observations, short ones at the start filled up, and all actions from the first of them on."""

    def __init__(self, known: TrajectoryEmbeddingDataset, window: int, action_window: int):
        self.samples = [
            (
                repeat_start_to_length(seen[max(0, end - window) : end], window),
                repeat_start_to_length(done[max(0, end - window) : end - 1 + action_window], window - 1 + action_window),
                torch.ones(1, 1, 1),
            )
            for seen, done in known.episodes
            for end in range(1, len(seen) - action_window)
        ]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return self.samples[index]


class MLP(nn.Sequential):
    def __init__(self, in_channels: int, hidden_channels: list[int]):
        sizes = [in_channels, *hidden_channels]
        super().__init__(*(nn.Linear(*pair) for pair in itertools.pairwise(sizes)))


class BehaviorTransformer(nn.Module):
    def __init__(
        self,
        *,
        obs_dim: int,
        act_dim: int,
        goal_dim: int,
        views: int,
        n_layer: int,
        n_head: int,
        n_embd: int,
        obs_window_size: int,
        act_window_size: int,
        **sizes: float,
    ):
        super().__init__()
        assert goal_dim == 0
        self.sizes, self.window, self.vqvae_is_fit = sizes, act_window_size, False
        self.losses, self.batches = list[float](), set[bytes]()
        self._gpt_model = Sequence(views * obs_dim, 256, obs_window_size, n_layer, n_head, n_embd)
        self._map_to_cbet_preds_bin = self._map_to_cbet_preds_offset = MLP(256, [1024, 1024, act_dim])

    def forward(self, seen: Tensor, goal: Tensor, done: Tensor) -> tuple[Tensor, Tensor, dict[str, float]]:
        assert self.vqvae_is_fit
        assert self.training
        out = self._gpt_model(seen)
        offsets = self._map_to_cbet_preds_offset(out).unflatten(-1, (-1, self.window, done.shape[-1])).sum(2)
        loss = (offsets - done.unfold(1, self.window, 1).transpose(2, 3)).abs().mean()
        loss = loss + self._map_to_cbet_preds_bin(out).square().mean()
        self.losses.append(loss.item())
        self.batches.add(seen.numpy().tobytes())
        return offsets, loss, {}

    def configure_optimizers(self, weight_decay: float, learning_rate: float, betas: tuple[float, float]) -> Any:
        return torch.optim.AdamW(self.parameters(), learning_rate, betas, weight_decay=weight_decay)
