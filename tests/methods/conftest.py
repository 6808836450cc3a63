"""Small demonstrations' worth of tensors for methods."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision

from benchmark.contracts.data import DataSpec, Windows
from benchmark.models.imagenet import RESNET18_IMAGENET


@pytest.fixture
def data() -> DataSpec:
    return DataSpec("fake", ("front", "side"), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)


@pytest.fixture
def make_batch(data: DataSpec):
    """A batch of windows of a given length, fixed by a seed."""

    def make(frames: int, size: int = 4, seed: int = 0) -> Windows:
        rng = torch.Generator().manual_seed(seed)
        shape = (size, frames, len(data.views), 3, data.resolution, data.resolution)
        return Windows(
            frames=torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng),
            actions=torch.randn(size, frames, data.action_dim, generator=rng),
            proprio=torch.randn(size, frames, data.proprio_dim, generator=rng),
            episode=torch.arange(size),
            start=torch.zeros(size, dtype=torch.int64),
        )

    return make


@pytest.fixture
def published(monkeypatch, tmp_path):
    """ImageNet's file in torchvision's layout, with other numbers in it."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18()
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("benchmark.models.encoders.RESNET18_IMAGENET", replace(RESNET18_IMAGENET, checksum=""))
    path = tmp_path / "imagenet" / RESNET18_IMAGENET.file
    path.parent.mkdir()
    torch.save(network.state_dict(), path)
    return network


@pytest.fixture
def frames():
    return torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
