"""Reduced precision stops at features and losses, in every method that learns."""

import pytest
import torch

from benchmark import registry
from benchmark.contracts.presets import component_config
from tests.learning import build, loss_of

LEARNING = [name for name in registry.methods().names() if registry.methods().get(name).learns]


@pytest.mark.parametrize("name", LEARNING)
def test_bf16_autocast_gives_a_float32_loss_near_the_exact_one(name, data, make_batch):
    cls = registry.methods().get(name)
    config = component_config(cls, "smoke", "fake")
    batch = make_batch(cls.batch_spec(config).window, size=8)
    exact = loss_of(build(cls, data), batch)
    with torch.autocast("cpu", torch.bfloat16):
        method = build(cls, data)
        loss = loss_of(method, batch)
        assert method.encoder.pooled(batch.frames[:, 0, 0]).dtype == torch.float32
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
