"""Floors by hand: a linear layer, whose products and bytes one can count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.bench.floor import Cost, cost_of_step, flops_of
from benchmark.bench.timing import Rate
from tests.bench.sizes import CEILINGS, toy_bench

ROWS, IN, OUT = 8, 16, 4
PRODUCT = 2 * ROWS * IN * OUT


def test_a_linear_layer_forward() -> None:
    assert flops_of(lambda: nn.Linear(IN, OUT)(torch.ones(ROWS, IN))) == PRODUCT


def test_a_training_step_of_a_linear_layer() -> None:
    layer, x = nn.Linear(IN, OUT, bias=False), torch.ones(ROWS, IN)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        layer(x).sum().backward()
        optimizer.step()

    step()
    cost = cost_of_step(step, optimizer)
    assert cost.flops == 2 * PRODUCT, "forward and the weight's gradient; no gradient of the input is asked for"
    weight, saved = 4 * IN * OUT, 4 * ROWS * IN
    assert cost.bytes == 2 * (saved + 3 * weight), "the input is saved; weight, gradient and momentum are read and written"


def test_what_is_saved_twice_moves_once_and_weights_are_not_activations() -> None:
    weight = nn.Parameter(torch.ones(IN))
    x = torch.ones(ROWS, IN, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    cost = cost_of_step(lambda: ((x * weight) + (x * weight)).sum().backward(), optimizer)
    assert cost.bytes == 2 * (4 * ROWS * IN + 2 * 4 * IN)


def test_the_floor_is_the_longer_of_arithmetic_and_traffic() -> None:
    assert CEILINGS.seconds(Cost(flops=2e9, bytes=1e9), "fp32") == 2
    assert CEILINGS.seconds(Cost(flops=2e9, bytes=3e9), "fp32") == 3


def test_the_ceiling_is_of_the_fastest_precision_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CEILINGS.seconds(Cost(flops=4e9), "bf16") == 1
    assert CEILINGS.seconds(Cost(flops=4e9), "fp32") == 4
    with_tf32 = replace(CEILINGS, flops={**CEILINGS.flops, "tf32": 2e9})
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert with_tf32.seconds(Cost(flops=4e9), "fp32") == 2
    assert with_tf32.seconds(Cost(flops=4e9), "tf32") == 2
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    assert with_tf32.seconds(Cost(flops=4e9), "fp32") == 4
    assert with_tf32.seconds(Cost(flops=4e9), "tf32") == 2
    assert CEILINGS.seconds(Cost(flops=4e9), "tf32") == 4, "where tf32 was not measured"


def test_a_line_is_per_unit_and_its_share_is_of_the_ceiling(tmp_path: Path) -> None:
    line = toy_bench(tmp_path).measured("x/y", "frames/s", Rate(2.0, 0.1), 10, Cost(flops=1e8), reference=Rate(1.0, 0.0))
    assert (line.rate, line.unit, line.spread) == (20, "frames/s", 0.1)
    assert line.floor == pytest.approx(0.01), "a tenth of a second at 1 GFLOP/s for ten frames"
    assert line.share == pytest.approx(0.2)
    assert line.reference == 10
