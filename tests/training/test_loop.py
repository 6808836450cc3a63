from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from benchmark.contracts.method import MethodConfig
from benchmark.contracts.training import ParameterGroup
from benchmark.core.errors import Diverged
from benchmark.core.progress import Task
from benchmark.training import loop
from benchmark.training.checkpoints import Checkpoint, Trained
from benchmark.training.loop import train
from benchmark.training.optimizers import make_optimizer, schedule, set_learning_rates


@dataclass
class Batch:
    x: Tensor


class Model(nn.Module):
    """Dropout, batch norm, noise from the step's generator and a buffer: everything a resumed run has to get back."""

    def __init__(self, explode_at: int | None = None):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.register_buffer("average", torch.zeros(1))
        self.explode_at, self.seen = explode_at, 0

    def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        noise = torch.randn(batch.x.shape, generator=rng)
        out = self.net(batch.x + 0.1 * noise)
        self.seen += 1
        bad = math.nan if self.seen - 1 == self.explode_at else 1.0
        return ((out - batch.x.sum(1, keepdim=True)) ** 2).mean() * bad, {"mean": out.detach().mean()}

    def after_step(self, step: int, steps: int) -> None:
        self.average.lerp_(self.net[0].weight.detach().mean(), 0.1)

    def groups(self) -> list[ParameterGroup]:
        return [
            ParameterGroup("first", list(self.net[0].parameters())),
            ParameterGroup("rest", list(self.net[1:].parameters()), 0.5, scheduled=False),
        ]


def batch_at(step: int) -> Batch:
    return Batch(torch.from_numpy(np.random.default_rng(step).normal(size=(16, 4))).float())


def run(
    folder: Path,
    config: MethodConfig,
    stop: int | None = None,
    model: Model | None = None,
    keep: bool = False,
    validate: Callable[[], dict[str, float]] | None = None,
) -> tuple[Model, Trained | None]:
    model = model or Model()

    def batches(step: int) -> Batch:
        if step == stop:
            raise KeyboardInterrupt
        return batch_at(step)

    try:
        trained = train(
            model,
            batches,
            config,
            steps=20,
            seed=3,
            device="cpu",
            precision="fp32",
            checkpoints=folder,
            checkpoint_every=4,
            task=Task(),
            validate=validate or (lambda: {"validation_loss": float(model.average)}),
            keep=model if keep else None,
        )
    except KeyboardInterrupt:
        return model, None
    return model, trained


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "lars"])
@pytest.mark.parametrize("stop", [0, 3, 4, 11, 19])
def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(tmp_path: Path, optimizer: str, stop: int) -> None:
    config = MethodConfig(optimizer=optimizer, lr=1e-2, clip=1.0, weight_decay=0.01)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, curves = run(tmp_path / "a", config)
    run(tmp_path / "b", config, stop=stop)
    resumed, resumed_curves = run(tmp_path / "b", config)
    assert save(whole.state_dict()) == save(resumed.state_dict())
    assert curves is not None
    assert resumed_curves is not None
    assert curves.curves == resumed_curves.curves


def test_a_nan_stops_with_the_step_and_advice(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"the loss is nan at step 5 of 20; lower lr"):
        run(tmp_path, MethodConfig(), model=Model(explode_at=5))


def test_a_last_step_that_loses_the_weights_is_not_kept(tmp_path: Path) -> None:
    """Its own loss was finite, and there is none after it."""

    class Lost(Model):
        def after_step(self, step: int, steps: int) -> None:
            if step == steps - 1:
                self.net[3].bias.data.fill_(math.inf)

    with pytest.raises(Diverged, match=r"net.3.bias is NaN or infinite after the last of 20 steps; lower lr"):
        run(tmp_path, MethodConfig(), model=Lost())
    assert not list(tmp_path.glob("step20.*"))


def test_groups_keep_their_own_rate_and_schedule() -> None:
    model, config = Model(), MethodConfig(lr=1.0, warmup=0.5, weight_decay=0.1)
    groups = model.groups()
    optimizer = make_optimizer(groups, config)
    set_learning_rates(optimizer, groups, config, 0, 20)
    rates = {(g["group"], g["weight_decay"]): g["lr"] for g in optimizer.param_groups}
    assert rates == {("first", 0.1): 0.1, ("first", 0.0): 0.1, ("rest", 0.1): 0.5, ("rest", 0.0): 0.5}
    decayed = {p.ndim > 1 for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}
    assert decayed == {True}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lars_scales_the_steps_of_matrices_with_or_without_decay(weight_decay: float) -> None:
    """You et al. 2017, equation 6, with a trust of 0.001; biases and norms take plain steps without decay (BYOL, appendix)."""
    model, config = Model(), MethodConfig(optimizer="lars", lr=0.5, weight_decay=weight_decay)
    optimizer = make_optimizer(model.groups(), config)
    model.loss(batch_at(0), torch.Generator().manual_seed(0))[0].backward()
    expected = {}
    for name, parameter in model.named_parameters():
        p, g = parameter.detach().double(), parameter.grad.double()
        step = g
        if p.ndim > 1:
            step = 0.001 * p.norm() / (g.norm() + weight_decay * p.norm()) * (g + weight_decay * p)
        expected[name] = (p - 0.5 * step).float()
    optimizer.step()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-5, atol=1e-8)


def test_groups_are_clipped_separately(tmp_path: Path) -> None:
    """With a huge gradient in one group the other keeps its own: plain SGD moves each by exactly lr x limit."""
    model = Model()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    config = MethodConfig(optimizer="sgd", momentum=0.0, lr=1.0, warmup=0.0, schedule="constant", clip=1e-3)
    train(
        model,
        batch_at,
        config,
        steps=1,
        seed=0,
        device="cpu",
        precision="fp32",
        checkpoints=tmp_path,
        checkpoint_every=9,
        task=Task(),
    )
    for group in model.groups():
        names = [n for n, p in model.named_parameters() if any(p is q for q in group.params)]
        moved = torch.cat([(dict(model.named_parameters())[n] - before[n]).flatten() for n in names])
        assert float(moved.detach().norm()) == pytest.approx(1e-3 * group.lr_scale, rel=1e-3)


def test_the_schedule_warms_up_from_above_zero_and_ends_at_zero() -> None:
    values = [schedule("cosine", 0.25, step, 8) for step in range(9)]
    assert values[:3] == [0.5, 1.0, 1.0]
    assert values[8] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(values[2:]))
    assert schedule("constant", 0.0, 5, 8) == 1.0


def test_each_step_is_taken_once_with_its_number_and_its_own_noise(tmp_path: Path) -> None:
    class Witness(Model):
        def __init__(self) -> None:
            super().__init__()
            self.after: list[tuple[int, int, float]] = []
            self.noise: list[float] = []

        def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
            self.noise += [float(torch.rand(1)), float(torch.rand(1, generator=rng))]
            return super().loss(batch, rng)

        def after_step(self, step: int, steps: int) -> None:
            self.after.append((step, steps, self.net[0].bias[0].item()))

    model, _ = run(tmp_path, MethodConfig(), model=Witness())
    assert isinstance(model, Witness)
    assert [(step, steps) for step, steps, _ in model.after] == [(step, 20) for step in range(20)]
    moved = len({weight for *_, weight in model.after})
    assert moved >= 19, "after the optimiser moved the weights, each time; the last rate may be too small for this one"
    assert len(set(model.noise)) == 40, "the global generator, which dropout draws from, and that of the step"


def test_a_resumed_run_takes_up_at_the_next_step(tmp_path: Path) -> None:
    taken: list[int] = []

    class Counting(Model):
        def after_step(self, step: int, steps: int) -> None:
            taken.append(step)

    run(tmp_path, MethodConfig(), stop=8, model=Counting())
    run(tmp_path, MethodConfig(), model=Counting())
    assert taken == list(range(20))


def test_validation_happens_in_evaluation_mode(tmp_path: Path) -> None:
    model, modes = Model(), []

    def validate() -> dict[str, float]:
        modes.append(model.training)
        return {}

    run(tmp_path, MethodConfig(), model=model, validate=validate)
    assert modes == [False] * 5


@pytest.mark.parametrize(
    ("losses", "best"),
    [([math.nan, 3.0, 2.0, 5.0, 4.0], 2), ([math.nan] * 5, 0), ([4.0, math.inf, 5.0, 3.0, 3.0], 3)],
)
def test_the_checkpoint_of_lowest_validation_loss_is_kept(tmp_path: Path, losses: list[float], best: int) -> None:
    """The first where none is better: a fit whose validation is lost has weights to act with."""
    model, found = Model(), []

    def validate() -> dict[str, float]:
        found.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"validation_loss": losses[len(found) - 1]}

    _, trained = run(tmp_path, MethodConfig(), model=model, keep=True, validate=validate)
    assert trained is not None
    assert trained.best.keys() == found[best].keys()
    assert all(torch.equal(trained.best[name], tensor) for name, tensor in found[best].items())


def test_the_learning_rate_of_each_step_is_the_schedules(tmp_path: Path) -> None:
    config = MethodConfig(lr=0.3, warmup=0.2, schedule="cosine")
    _, trained = run(tmp_path, config)
    assert trained is not None
    rates = [row["lr"] for row in trained.curves if "lr" in row]
    warm = [0.3 * (step + 1) / 4 for step in range(4)]
    cosine = [0.15 * (1 + math.cos(math.pi * step / 16)) for step in range(16)]
    assert rates == pytest.approx(warm + cosine)


def test_a_checkpoint_gives_the_optimiser_its_state_in_the_layout_of_the_parameters(tmp_path: Path) -> None:
    """Files know contiguous tensors only; fused kernels refuse moments that lie otherwise in memory than their parameter."""
    module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    config = MethodConfig()

    def optimizer() -> torch.optim.Optimizer:
        return make_optimizer([ParameterGroup("all", list(module.parameters()))], config)

    first = optimizer()
    module(torch.rand(2, 3, 5, 5)).sum().backward()
    first.step()
    Checkpoint(tmp_path, module, first).save(1, Trained(0.0))
    second = optimizer()
    Checkpoint(tmp_path, module, second).load()
    for state, parameter in ((second.state[p], p) for p in module.parameters()):
        assert state["exp_avg"].stride() == parameter.stride()
        assert torch.equal(state["exp_avg"], first.state[parameter]["exp_avg"])


def test_checkpoints_take_no_more_than_a_share_of_the_time_where_steps_are_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of ten seconds, checkpoints of one, to which a hundredth of the time goes; the first and the last are written."""
    now, saved = [0.0], []
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(loop, "spares_checkpoints", lambda device: True)
    monkeypatch.setattr(loop, "WRITING", 0.01)

    def save_slowly(self: Checkpoint, step: int, trained: Trained) -> None:
        now[0] += 1
        saved.append(step)

    class Slow(Model):
        def after_step(self, step: int, steps: int) -> None:
            now[0] += 10

    monkeypatch.setattr(Checkpoint, "save", save_slowly)
    _, trained = run(tmp_path, MethodConfig(), model=Slow())
    assert saved == [4, 16, 20]
    assert trained is not None
    assert sum("validation_loss" in row for row in trained.curves) == 5, "the loss on held-out demonstrations is not spared"


def test_a_checkpoint_that_took_long_does_not_put_the_next_one_off_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    pace = loop.Pace("cpu", 0.02)
    with pace:
        now[0] += 120
    now[0] += loop.LONGEST - 1
    assert not pace.due()
    now[0] += 1
    assert pace.due()


def test_checkpoints_are_spared_on_gpus_and_nowhere_else() -> None:
    assert loop.spares_checkpoints("cuda")
    assert not loop.spares_checkpoints("cpu")
