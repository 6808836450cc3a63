"""Who learns from a moving average learns from what that says, not from what the network itself says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmark import registry
from benchmark.contracts.data import DataSpec
from tests.learning import build, loss_of


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("byol", {}),
        ("byol_t", {}),
        ("moco_v3", {}),
        ("dino", {"center": 1.0}),  # a centre that stays
        ("dynamo", {"target": "ema"}),
        ("rpt", {"target": "ema"}),
    ],
)
def test_another_target_is_another_loss(name: str, changes: dict[str, Any], data: DataSpec, make_batch: Any) -> None:
    cls = registry.methods().get(name)
    method = build(cls, data, **changes)
    batch = make_batch(cls.batch_spec(method.config).window)
    before = loss_of(method, batch).item()
    assert loss_of(method, batch).item() == pytest.approx(before, rel=1e-5)
    for parameter in method.target.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    assert loss_of(method, batch).item() != pytest.approx(before, rel=1e-3)
