"""What a frozen network makes of the demonstrations is computed once where that pays, and changes nothing that is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.cli.main import main
from benchmark.conformance.methods import fake_demos
from benchmark.contracts.data import Chunks
from benchmark.contracts.encoder import FusedEncoder, as_float
from benchmark.contracts.specs import PolicySpec
from benchmark.core.errors import Diverged
from benchmark.core.progress import Task
from benchmark.core.seeds import torch_rng
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.policies.mlp import MLP
from benchmark.stages import fit
from benchmark.training import frozen
from benchmark.training.joint import JointBatch, JointModel, with_observations


class Halves(FusedEncoder):
    """The frozen half sees where in the top of an image something bright is, the other one its bottom."""

    dim, frozen_dim = 4, 2
    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.fixed = nn.Linear(3, 2).requires_grad_(False)
        self.learnt = nn.Linear(3 + 2, 4)

    def frozen(self, images: Tensor) -> Tensor:
        self.calls += len(images)
        columns = as_float(images)[:, :, :32].mean(2)
        return torch.tanh(self.fixed((columns * torch.linspace(-40, 40, columns.shape[-1])).mean(2)))

    def fused(self, images: Tensor, frozen: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        bottom = as_float(images)[:, :, 32:].mean((2, 3))
        return {"pooled": self.learnt(torch.cat([bottom, frozen.float()], 1))}


@pytest.fixture
def demos(tmp_path: Path) -> Demos:
    return fake_demos(tmp_path / "demos")


def encoder() -> Halves:
    torch.manual_seed(0)
    return Halves()


def test_it_has_a_row_per_step_and_view(demos: Demos, tmp_path: Path) -> None:
    halves = encoder()
    kept = frozen.compute(halves, demos, "fp32", tmp_path, Task())
    assert kept.shape == (72, 2, 2)
    assert kept.dtype == np.float16
    frames = torch.from_numpy(np.array(demos.frames[[70], 1])).permute(0, 3, 1, 2)
    np.testing.assert_allclose(kept[70, 1], halves.frozen(frames)[0], atol=1e-3)
    assert {path.name for path in tmp_path.iterdir()} == {"demos"}, "the file has no name, so nothing is left of it"


@pytest.mark.parametrize("goal", [False, True])
def test_a_step_with_it_is_the_step_without_and_does_not_run_the_frozen_network(
    demos: Demos, tmp_path: Path, goal: bool
) -> None:
    halves = encoder()
    kept = frozen.compute(halves, demos, "fp32", tmp_path, Task())
    agent = Agent(MLP(MLP.Config(hidden=8), PolicySpec(8, 3, goal_dim=8 if goal else 0)), halves)
    model = JointModel(agent, (("*", 1.0),), "fp32", "pooled", torch.from_numpy(demos.proprio))
    rows = torch.tensor([[3, 5], [60, 71], [24, 25]])
    goal_rows = torch.tensor([23, 71, 47]) if goal else None
    cached = torch.zeros(3, 2, 8)
    batch = Chunks(
        cached[:, :1],
        torch.ones(3, 1, 3),
        torch.ones(3, 1, dtype=torch.bool),
        cached[:, 0] if goal else None,
        rows[:, :1],
        goal_rows,
    )
    told = with_observations(batch, demos, kept).frozen
    assert told is not None
    np.testing.assert_array_equal(told[:, 0], kept[[3, 60, 24]])
    assert not np.array_equal(kept[3], kept[60])
    halves.calls = 0
    losses = []
    for at_hand, images in ((None, 6 * (1 + goal)), (kept, 0)):
        model.zero_grad()
        loss, _ = model.loss(with_observations(batch, demos, at_hand), torch_rng("test"))
        loss.backward()
        assert halves.calls == images
        halves.calls = 0
        losses.append((loss.item(), halves.learnt.weight.grad.clone()))  # type: ignore[union-attr]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-3)
    torch.testing.assert_close(losses[0][1], losses[1][1], rtol=1e-2, atol=1e-3)


def test_it_pays_on_a_processor_for_frames_that_are_seen_again_and_fit(demos: Demos, monkeypatch: pytest.MonkeyPatch) -> None:
    halves = encoder()
    assert frozen.pays(halves, demos, 73, "cpu")
    assert not frozen.pays(halves, demos, 72, "cpu"), "no frame is needed twice"
    assert not frozen.pays(halves, demos, 10_000, "cuda")
    monkeypatch.setattr(frozen, "MOST", 72 * 2 * 2 * 2 - 1)
    assert not frozen.pays(halves, demos, 73, "cpu"), "a byte too many"
    halves.frozen_dim = 0
    assert not frozen.pays(halves, demos, 73, "cpu"), "there is nothing to keep"


def test_what_is_not_finite_stops_the_fit(demos: Demos, tmp_path: Path) -> None:
    halves = encoder()
    halves.fixed.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="NaN"):
        frozen.compute(halves, demos, "fp32", tmp_path, Task())


def test_a_fit_computes_it_once_and_hands_it_to_every_step(tmp_path: Path, toy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[int, ...]] = []
    handed: list[bool] = []

    def compute(*arguments: Any) -> np.ndarray:
        computed.append((kept := frozen.compute(*arguments)).shape)
        return kept

    def look(*arguments: Any) -> JointBatch:
        handed.append((batch := with_observations(*arguments)).frozen is not None)
        return batch

    monkeypatch.setattr(fit, "frozen", SimpleNamespace(compute=compute, pays=frozen.pays))
    monkeypatch.setattr(fit, "with_observations", look)
    row = ["run", "--methods", "spawnnet", "--envs", "toy", "--policies", "mlp", "--preset", "smoke"]
    settings = ["joint.batch=16", "fit.steps=4", "rollout.episodes=1", "machine.workers=0", "machine.cores=1"]
    assert main([*row, "--home", str(tmp_path / "home"), *settings]) == 0
    assert len(computed) == 1
    assert len(handed) > 4, "validation, too"
    assert all(handed)
