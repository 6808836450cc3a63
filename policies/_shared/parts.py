"""Pieces that several policy heads share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.models.ema import EMA
from benchmark.models.precision import at_least_float32

# What every head sees and does in a preset, so that the heads differ in nothing else. A plan at every second step: half of the
# frames are never rendered.
QUICK_HORIZON: dict[str, Any] = {"history": 1, "chunk": 8, "execute": 2}
# In the kitchen every demonstration starts from one posture, most with the microwave or the kettle: a short past tells which
# way one is going, and a plan at every step corrects it. VQ-BeT on the state, 2000 steps, 10 to 16 episodes each: 0.5 of 4
# tasks with one observation, 2.2 with four of them, 3.3 with a plan at every step besides (and temperature 0.1), 2.0 with
# eight observations. All these are fits of one seed on demonstrations that nothing pushed off their way, where three seeds of
# this setting score 3.1, 0.3 and 0.0 (50 episodes each); see `PUSH` in envs/kitchen/expert.py for what carries all three. The
# average of overlapping plans (`ensemble`) is too late for a grasp: 0.7.
KITCHEN_HORIZON: dict[str, Any] = {"history": 4, "stride": 2, "chunk": 8, "execute": 1}
# In Block Pushing what the demonstrator does depends on the scene alone: nothing of the past tells more. VQ-BeT on the state at
# `quick`, seed 0, the same 16 episodes: 1.62 of 2 with plans of four steps of which two are taken (temperature 0.1), 1.19 with
# one step ahead (0.5). Plans of eight, as elsewhere, were tried in a model of the simulator only: 0.73 against 1.77 with one
# step (one fit each, of two seeds). So it is in LIBERO Goal, once the goal is known: VQ-BeT on the state, 100 demonstrations,
# the same 20 episodes: 0.50 with this horizon, 0.45 with the kitchen's, which draws twice as many frames.
SHORT_HORIZON: dict[str, Any] = {"history": 1, "chunk": 4, "execute": 2}
# In Push-T plans are taken whole, as Diffusion Policy takes eight steps there (Chi et al. 2023). With two of eight taken agents
# can come to a stop and stay: 7 of 12 beside one DynaMo, 3 with four of eight, none with eight. VQ-BeT on the state at
# `standard`, one fit, the same 50 episodes: 0.58 with two steps, 0.74 with four, 0.76 with eight.
PUSHT_HORIZON: dict[str, Any] = {"history": 1, "chunk": 8, "execute": 8}
HORIZONS: dict[str, dict[str, Any]] = {
    f"{preset}/{env}": horizon
    for preset in ("quick", "standard")
    for env, horizon in (
        ("kitchen", KITCHEN_HORIZON),
        ("libero_goal", SHORT_HORIZON),
        ("block_push", SHORT_HORIZON),
        ("pusht", PUSHT_HORIZON),
    )
}
SMOKE_HORIZON: dict[str, Any] = {"history": 2, "stride": 2, "chunk": 4, "execute": 2}


def token_dim(spec: PolicySpec) -> int:
    return spec.feature_dim + spec.goal_dim


def condition(features: Tensor, goal: Tensor | None) -> Tensor:
    """Goal conditioning, the same for every head: late fusion. (B, T, D) and (B, G) -> (B, T, D + G), the goal beside each
    observation; without a goal the features alone."""
    if goal is None:
        return features
    return torch.cat([features, goal[:, None].expand(-1, features.shape[1], -1)], dim=-1)


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, chunk, A) over the steps that exist, (B, chunk)."""
    return (values * valid[..., None]).sum() / (valid.sum() * values.shape[-1])


def repeated(batch: Chunks) -> Tensor:
    """The actions (B, chunk, A), the last that exists in place of those that do not, as samplers pad: for what looks at chunks
    as a whole."""
    last = torch.minimum(torch.arange(batch.valid.shape[1], device=batch.valid.device), batch.valid.sum(1, keepdim=True) - 1)
    return batch.actions.gather(1, last[..., None].expand_as(batch.actions))


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    sizes = [inputs, *hidden]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


# ---------------------------------------------------------------------------------------- blocks of a layer's outputs


def block_outputs(x: Tensor, layer: nn.Linear, blocks: Tensor, size: int) -> Tensor:
    """(B, D), the numbers of some blocks of `size` outputs for each row (B, G) -> those outputs, (B, G, size)."""
    rows = torch.arange(len(x), device=x.device)[:, None]
    return layer(x).unflatten(1, (-1, size))[rows, blocks]


def block_outputs_alone(x: Tensor, layer: nn.Linear, blocks: Tensor, size: int) -> Tensor:
    """The same without the blocks that a row does not ask for, and equal up to rounding.

    Rows that ask for one block are multiplied together, so the rounding of a row depends on the others: for training only. The
    sizes of these groups are numbers of the host, which would wait for a GPU.
    """
    x, order = at_least_float32(x), blocks.flatten().argsort(stable=True)
    weight, bias = layer.weight.unflatten(0, (-1, size)), layer.bias.unflatten(0, (-1, size))
    counts = blocks.flatten().bincount(minlength=len(weight)).tolist()
    asked = blocks.flatten()[order]
    outputs = _GroupedProduct.apply(x[order // blocks.shape[1]], weight, counts) + bias[asked]
    return torch.empty_like(outputs).index_copy(0, order, outputs).unflatten(0, blocks.shape)


class _GroupedProduct(torch.autograd.Function):
    """Consecutive groups of rows, each multiplied by its own matrix: (N, D), (K, size, D), K sizes of groups -> (N, size)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.counts = counts
        out = x.new_empty(len(x), weight.shape[1])
        for rows, matrix, group in zip(x.split(counts), weight, out.split(counts), strict=True):
            torch.mm(rows, matrix.T, out=group)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = torch.empty_like(x), torch.empty_like(weight)
        groups = zip(x.split(ctx.counts), weight, grad.split(ctx.counts), of_x.split(ctx.counts), of_weight, strict=True)
        for rows, matrix, given, of_rows, of_matrix in groups:
            torch.mm(given, matrix, out=of_rows)
            torch.mm(given.T, rows, out=of_matrix)
        return of_x, of_weight, None


# ------------------------------------------------------------------------------------------------------------- sampling


def rows_normal(rngs: Sequence[torch.Generator], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """(N, *shape) standard normal; row i is drawn from `rngs[i]` only, on its own device."""
    return torch.stack([torch.randn(shape, generator=r, device=r.device) for r in rngs]).to(like)


def rows_uniform(rngs: Sequence[torch.Generator], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """(N, *shape) uniform in [0, 1), row by row as `rows_normal`."""
    return torch.stack([torch.rand(shape, generator=r, device=r.device) for r in rngs]).to(like)


def categorical(logits: Tensor, uniform: Tensor, temperature: float = 1.0) -> Tensor:
    """(..., C) logits and (...) uniform numbers -> (...) sampled classes, by inversion of the distribution function."""
    cumulative = torch.softmax(logits.float() / temperature, dim=-1).cumsum(-1)
    return (cumulative[..., :-1] <= uniform[..., None]).sum(-1)


def focal_loss(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Cross entropy in which what is already predicted well counts less: -(1 - p)^gamma log p (Lin et al. 2017)."""
    log_p = F.log_softmax(at_least_float32(logits), dim=-1).gather(-1, target[..., None])[..., 0]
    return -((1 - log_p.exp()) ** gamma * log_p).mean()


# ----------------------------------------------------------------------------------------------------------- clustering


def nearest(x: Tensor, centres: Tensor) -> Tensor:
    """(N, D) and (K, D) -> (N,), the closest centre."""
    return torch.cdist(x, centres).argmin(-1)


def k_means(x: Tensor, k: int, rng: torch.Generator, iterations: int = 50) -> Tensor:
    """Centres (k, D) of (N, D): k-means++ seeding, then Lloyd's iterations. A centre that loses all its points stays."""
    centres = x[torch.randint(len(x), (1,), generator=rng, device=x.device)]
    for _ in range(k - 1):
        squared = torch.cdist(x, centres).amin(-1) ** 2
        weights = squared if squared.sum() > 0 else torch.ones_like(squared)
        centres = torch.cat([centres, x[torch.multinomial(weights, 1, generator=rng)]])
    for _ in range(iterations):
        member = F.one_hot(nearest(x, centres), k).to(x)
        count = member.sum(0)[:, None]
        centres = torch.where(count > 0, member.T @ x / count.clamp(min=1), centres)
    return centres


# ------------------------------------------------------------------------------------------- denoising (diffusion, flow)


class Denoiser(nn.Module):
    """The noise network of transformer Diffusion Policy: (B, chunk, A) noisy actions, (B,) noise level, (B, T, D) observations
    -> (B, chunk, A).

    Observations and the noise level become the memory of a causal decoder over the chunk (Chi et al. 2023, DP-T; layout and
    initialisation after github.com/real-stanford/diffusion_policy). Every observation is older than every action here, so
    the memory needs no mask.
    """

    mask: Tensor

    def __init__(self, spec: PolicySpec, history: int, chunk: int, layers: int, heads: int, width: int, dropout: float):
        super().__init__()
        self.observe, self.act = nn.Linear(token_dim(spec), width), nn.Linear(spec.action_dim, width)
        self.memory_positions = nn.Parameter(torch.empty(history + 1, width))
        self.positions = nn.Parameter(torch.empty(chunk, width))
        self.memory = nn.Sequential(nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, spec.action_dim)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(chunk), persistent=False)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, actions: Tensor, level: Tensor, observations: Tensor) -> Tensor:
        time = sinusoid(level, self.positions.shape[1])[:, None]
        memory = self.memory(torch.cat([time, self.observe(observations)], dim=1) + self.memory_positions)
        x = self.act(actions) + self.positions
        for layer in self.layers:
            x = layer(x, memory, tgt_mask=self.mask, tgt_is_causal=True)
        return self.head(self.norm(x))


def sinusoid(level: Tensor, width: int) -> Tensor:
    """(B,) -> (B, width), sines and cosines of geometrically spaced frequencies (Vaswani et al. 2017)."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) / (half - 1) * torch.arange(half, device=level.device))
    phase = level[:, None] * frequencies
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def update_average(average: EMA, online: nn.Module, step: int) -> None:
    """Averaged weights with the warm-up of Diffusion Policy: 1 - (1 + step)^-0.75, at most 0.9999."""
    average.update(online, min(0.9999, 1 - (1 + step) ** -0.75))
