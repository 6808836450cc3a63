"""A network of a few kilobytes and its published file."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer

from benchmark.models import weights


def tiny(size):
    return VisionTransformer(size, 16, num_classes=0, embed_dim=16, depth=1, num_heads=2)


TINY = weights.Weights(
    name="tiny",
    file="tiny.pth",
    origin=weights.Urls(()),
    licence="MIT",
    source="a test",
    network=tiny,
    under="model",
    prefix="net.",
    ignore=("head.",),
)


def published(seed=0, size=224):
    """A network and the content of its published file."""
    torch.manual_seed(seed)
    network = tiny(size).eval()
    tensors = {f"net.{key}": value for key, value in network.state_dict().items()}
    return network, {"model": {**tensors, "head.weight": torch.zeros(3)}, "epoch": 7}


def file_bytes(content, path):
    torch.save(content, path)
    data = path.read_bytes()
    path.unlink()
    return data
