"""Numbers that no network can be made of are refused with the plan, before demonstrations are made for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from benchmark import registry
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError
from tests.learning import build, loss_of

METHODS = {name: registry.methods().get(name) for name in registry.methods().names()}
PRETRAINED = [name for name, cls in METHODS.items() if cls.learns and not cls.joint]


def wrong(config: Any) -> Iterator[dict[str, Any]]:
    """Every number of a config, at none, below that and above one."""
    for name in (field.name for field in fields(config)):
        value = getattr(config, name)
        if type(value) is int:
            yield from ({name: 0}, {name: -1}, {name: 3})
        elif type(value) is float:
            yield from ({name: 0.0}, {name: -1.0}, {name: 2.0})


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_number_is_refused_or_works(name, data, make_batch):
    """Where a config lets it pass, a first loss and its gradients are numbers. TCN knows its data only when it is built."""
    cls: Any = METHODS[name]
    spoilt = []
    for changes in wrong(component_config(cls, "smoke", "fake")):
        try:
            method = build(cls, data, **changes)
        except BenchmarkError:
            continue
        except Exception as error:
            spoilt.append((changes, repr(error)))
            continue
        spec = cls.batch_spec(method.config)
        batch = make_batch(spec.window)
        if spec.between:
            batch = replace(batch, actions=make_batch((spec.window - 1) * spec.stride + 1).actions)
        loss = loss_of(method, batch)
        loss.backward()
        if not all(x.isfinite().all() for x in (loss, *(p.grad for p in method.parameters() if p.grad is not None))):
            spoilt.append((changes, float(loss)))
    assert spoilt == []


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("dynamo", {"heads": 0}, r"heads must be at least 1, not 0"),
        ("dynamo", {"forward_dropout": 1.0}, r"forward_dropout is a probability below 1, not 1"),
        ("lewm", {"dropout": -0.1}, r"dropout is a probability below 1, not -0.1"),
        ("byol", {"hidden": 0}, r"hidden must be at least 1, not 0"),
        ("mae", {"backbone": "vit_tiny", "width": 3}, r"width=3 of vit_tiny's heads makes tokens of 9"),
        ("rpt", {"heads": 0}, r"heads must be at least 1, not 0"),
        ("simsiam", {"momentum": 1.0}, r"momentum is a fraction below 1, not 1"),
        ("vicreg", {"betas": (0.9, 1.0)}, r"betas are fractions below 1"),
        ("moco_v3", {"weight_decay": -1e-6}, r"weight_decay must not be negative"),
    ],
)
def test_a_refusal_says_which_number(name, changes, message):
    with pytest.raises(BenchmarkError, match=message):
        METHODS[name].Config(**changes)
