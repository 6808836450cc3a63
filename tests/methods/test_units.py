"""Whoever learns from actions learns the same from them in metres and in millimetres."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark import registry
from benchmark.contracts.data import DataSpec
from tests.learning import build, loss_of


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("inverse_dynamics", ""),
        ("dynamo", "actions_only"),
        ("dynamo", "with_actions"),
        ("lewm", ""),
        ("rpt_sensorimotor", ""),
    ],
)
def test_the_unit_of_an_action_does_not_matter(name: str, variant: str, data: DataSpec, make_batch: Any) -> None:
    """3 mm of movement, beside an angle and a gripper of 1, weigh what they would as 3."""
    cls = registry.methods().get(name)
    values = dict(cls.variants[variant]) if variant else {}
    method = build(cls, data, **values)
    if name == "lewm":  # blocks that start as the identity do not hear of actions
        heard = [block.modulation.weight for block in method.blocks] + list(method.actions.parameters())
        for parameter in heard:
            torch.nn.init.normal_(parameter, std=0.5)
    batch = make_batch(cls.batch_spec(method.config).window, size=8)
    small = torch.tensor([1e-3, 1.0, 512.0])
    other = replace(batch, actions=batch.actions * small, proprio=batch.proprio * small[:2])
    torch.testing.assert_close(loss_of(method, other), loss_of(method, batch), rtol=1e-4, atol=0)
