"""Networks with random tensors, and what they compute, written out."""

from __future__ import annotations

import math
from itertools import count

import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from benchmark.models import weights

NORM_OF_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def noisy(network):
    """Every tensor matters: at their initialisation, layer scales, class tokens and norms hide what others do."""
    rng = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=rng) * 0.1 - 0.05)
    return network.eval()


def publish(cls, content):
    path = weights.path_of(cls.weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(content, path) if path.suffix == ".safetensors" else torch.save(content, path)


def build(cls, data, **config):
    torch.manual_seed(7)
    return cls(cls.Config(**config), data).encoder.eval()


def assert_same(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def normalised(frames, mean, std):
    return (
        (frames.double().div(255).permute(0, 2, 3, 1) - torch.tensor(mean)).div(torch.tensor(std)).permute(0, 3, 1, 2).float()
    )


def by_hand(tensors, x, heads, eps=1e-6):
    """A vision transformer written out: (N, 1 + patches, width) after the final norm."""

    def norm(name, h):
        return F.layer_norm(h, h.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"], eps)

    def linear(name, h):
        return h @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    kernel = tensors["patch_embed.proj.weight"]
    h = F.conv2d(x, kernel, tensors["patch_embed.proj.bias"], stride=kernel.shape[-1]).flatten(2).transpose(1, 2)
    h = torch.cat([tensors["cls_token"].expand(len(x), -1, -1), h], 1) + tensors["pos_embed"]
    for block in count():
        name = f"blocks.{block}"
        if f"{name}.norm1.weight" not in tensors:
            return norm("norm", h)
        split = (len(x), h.shape[1], heads, -1)
        q, k, v = (
            part.reshape(split).transpose(1, 2) for part in linear(f"{name}.attn.qkv", norm(f"{name}.norm1", h)).chunk(3, -1)
        )
        mixed = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v
        mixed = linear(f"{name}.attn.proj", mixed.transpose(1, 2).flatten(2))
        h = h + mixed * tensors.get(f"{name}.ls1.gamma", 1.0)
        wide = linear(f"{name}.mlp.fc2", F.gelu(linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", h))))
        h = h + wide * tensors.get(f"{name}.ls2.gamma", 1.0)


def random_vit(name, **options):
    return dict(noisy(timm.create_model(name, num_classes=0, **{"depth": 2, **options})).state_dict())


def assert_features(encoder, frames, tokens, pooled):
    assert_same(encoder.pooled(frames), pooled)
    assert_same(encoder.patch(frames), tokens)


def cubic_weights(given: int, wanted: int, step: float) -> torch.Tensor:
    """(wanted, given): cubic convolution with a = -0.75 at points `step` apart, the border repeated (Keys 1981). The official
    code asks for a scale of (wanted + 0.1) / given, which is a step of given / (wanted + 0.1)."""
    weights = torch.zeros(wanted, given, dtype=torch.float64)
    for i in range(wanted):
        at = (i + 0.5) * step - 0.5
        for j in range(math.floor(at) - 1, math.floor(at) + 3):
            x = abs(at - j)
            near = 1.25 * x**3 - 2.25 * x**2 + 1
            weights[i, min(max(j, 0), given - 1)] += near if x <= 1 else -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
    return weights
