"""The loss of an encoder that says the same of every image: each value against the method's own loss, or by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark import registry
from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.method import Method
from benchmark.core.seeds import torch_rng

VIEWS, BATCH = 2, 24


def build(name: str, **changes: Any) -> Method:
    cls = registry.methods().get(name)
    values = {**cls.presets["smoke"], "width": 8, "batch_size": BATCH, **changes}
    torch.manual_seed(0)
    return cls(cls.Config(**values), DataSpec("fake", ("a", "b"), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0))


def loss(method: Method) -> float:
    wanted = method.batch_spec(method.config)
    rng, shape = torch.Generator().manual_seed(0), (BATCH, wanted.window)
    batch = Windows(
        torch.randint(0, 256, (*shape, VIEWS, 3, 32, 32), dtype=torch.uint8, generator=rng),
        torch.randn(*shape, 3, generator=rng),
        torch.randn(*shape, 2, generator=rng),
        torch.zeros(BATCH, dtype=torch.int64),
        torch.zeros(BATCH, dtype=torch.int64),
    )
    return float(method.loss(batch, torch_rng("trivial"))[0].detach())


class Constant(nn.Module):
    """In the place of a network: the same answer for every row, whatever comes in."""

    def __init__(self, value: Tensor):
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(*x.shape[: max(1, x.ndim - 1) if x.ndim < 4 else 1], -1)


def test_dino_gives_every_prototype_the_same_share() -> None:
    method: Any = build("dino")
    method.projector = method.target = Constant(torch.zeros(1, method.config.out))
    assert method.trivial_loss() == pytest.approx(math.log(32))
    assert loss(method) == pytest.approx(method.trivial_loss())


def test_moco_finds_every_key_alike() -> None:
    method: Any = build("moco_v3", temperature=0.2)
    method.predictor = method.target = Constant(torch.ones(1, method.config.out))
    assert method.trivial_loss() == pytest.approx(4 * 0.2 * math.log(BATCH * VIEWS))
    assert loss(method) == pytest.approx(method.trivial_loss())


@pytest.mark.parametrize("name", ["vicreg", "lejepa"])
def test_a_regularised_method_pays_for_a_constant(name: str) -> None:
    method: Any = build(name)
    method.projector = Constant(torch.zeros(1, method.config.out))
    assert loss(method) == pytest.approx(method.trivial_loss(), rel=1e-3)


@pytest.mark.parametrize(("name", "weight"), [("lejepa", 0.02), ("lewm", 0.09)])
def test_the_price_of_a_point_under_sigreg_is_the_integral(name: str, weight: float) -> None:
    """Epps-Pulley of a point at the origin: n times the integral of (1 - phi)^2 phi, phi = exp(-t^2 / 2), for |t| < 3."""
    t = torch.linspace(-3, 3, 100_001, dtype=torch.float64)
    phi = torch.exp(-(t**2) / 2)
    integral = float(torch.trapezoid((1 - phi) ** 2 * phi, t))
    assert build(name).trivial_loss() == pytest.approx(weight * BATCH * VIEWS * integral, rel=0.01)


@pytest.mark.parametrize("kind", ["triplet", "npairs", "infonce"])
@pytest.mark.parametrize("name", ["tcn_sv", "tcn_mv"])
def test_tcn_sees_all_frames_in_one_place(name: str, kind: str) -> None:
    """Triplets: the margin. A positive against n negatives that are as near: ln(n + 1), averaged over all positive pairs."""
    method: Any = build(name, loss=kind, window=8)
    method.embed = lambda frames, rng: torch.zeros(*frames.shape[:-3], method.config.embedding)
    assert loss(method) == pytest.approx(method.trivial_loss(), rel=1e-4)
    if kind == "triplet":
        expected = method.config.margin
    elif name == "tcn_mv":
        expected = math.log(8)
    else:  # 10 Hz: up to 2 steps apart belong together, more than 4 apart do not
        rivals = [sum(abs(i - k) > 4 for k in range(8)) for i in range(8)]
        pairs = [i for i in range(8) for j in range(8) if 0 < abs(i - j) <= 2 and rivals[i]]
        expected = sum(math.log(1 + rivals[i]) for i in pairs) / len(pairs)
    assert method.trivial_loss() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "network", "changes"),
    [
        ("inverse_dynamics", "head", {}),
        ("dynamo", "inverse_model", {"inverse_target": "action", "covariance": False}),
    ],
)
def test_the_mean_action_costs_one(name: str, network: str, changes: dict[str, Any]) -> None:
    method: Any = build(name, **changes)
    setattr(method, network, Constant(torch.zeros(1, 3)))
    assert method.trivial_loss() == 1
    assert loss(method) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("name", ["rpt", "rpt_sensorimotor"])
def test_rpt_fills_in_the_mean(name: str) -> None:
    method: Any = build(name, **({"redundancy_weight": 0.0} if name == "rpt" else {}))
    for head in method.heads.back.values():
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    assert method.trivial_loss() == 1
    assert loss(method) == pytest.approx(1, rel=0.1), "of the masked part of a batch, not of all of it"


def test_without_its_guard_the_loss_cannot_tell() -> None:
    assert build("rpt", standardise=False).trivial_loss() is None
    assert build("vicreg", variance=0.0).trivial_loss() is None
    assert build("lejepa", weight=0.0).trivial_loss() is None
    assert build("lewm", sigreg_weight=0.0).trivial_loss() is None


@pytest.mark.parametrize("name", ["byol", "byol_t", "simsiam", "dynamo", "mae", "random", "state"])
def test_where_a_constant_is_the_optimum_nothing_is_claimed(name: str) -> None:
    cls = registry.methods().get(name)
    data = DataSpec("fake", ("a",), 64, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)
    assert cls(cls.Config(**cls.presets.get("smoke", {})), data).trivial_loss() is None
