"""Which training steps wait for the device, found on a CPU: such a step cannot become a CUDA graph (training/captured.py)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark import registry
from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.data.augment import Recipe
from benchmark.policies._shared.parts import block_outputs
from benchmark.training.accelerator import EagerStep
from benchmark.training.optimizers import make_optimizer
from tests.training.test_steps import learner

# `bincount` and `equal` answer to the host; `lift_fresh` is a tensor made of Python's numbers, or a list of places, and copied
# to the device; the others have results whose size, or value, the host has to know.
READS = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "equal", "is_nonzero", "_unique2", "lift_fresh")
BY_MASK = ("index", "index_put", "index_put_", "_index_put_impl_")


METHODS = [name for name in registry.methods().names() if registry.methods().get(name).learns]
HEADS = [name for name in registry.policies().names() if registry.policies().get(name).learns]
LEARNERS = [name for name in METHODS if not registry.methods().get(name).joint] + HEADS + ["vqbet/tokenizer"]


class Waits(TorchDispatchMode):
    """Collects the operations for which a CUDA device would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._overloadpacket.__name__
        masks = [i for i in args[1] if i is not None and i.dtype == torch.bool] if name in BY_MASK else []
        if name in READS or masks:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def waits(module: nn.Module, batch: Any, config: TrainingConfig) -> list[str]:
    groups = module.groups()  # type: ignore[operator]
    step = EagerStep(module, groups, make_optimizer(groups, config), config.clip, "cpu", "fp32")  # type: ignore[arg-type]
    step.rng.manual_seed(0)
    with Waits() as seen:
        values = step.backward(batch)
    assert all(torch.isfinite(value["loss"]) for value in values)
    return seen.found


@pytest.fixture(autouse=True)
def as_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a processor does in its own way: it looks which samples an augmentation is due for, or which codes there are."""

    def masked(self: Recipe, frames: torch.Tensor, drawn: dict[str, torch.Tensor], order: list[int]) -> torch.Tensor:
        return self._apply_masked(frames, drawn, torch.rand(4))

    monkeypatch.setattr(Recipe, "_apply", masked)
    monkeypatch.setattr("benchmark.policies.vqbet.block_outputs_alone", block_outputs)


def waiting(name: str) -> list[str]:
    module, config, batch_at = learner(name)
    return waits(module, batch_at(0), config)


@pytest.mark.parametrize("name", LEARNERS)
def test_no_step_waits_for_the_device(name: str) -> None:
    assert waiting(name) == []


def test_what_follows_the_releases_schedule_reads_its_epoch() -> None:
    """It decides in Python, by a number on the device, what is trained: it is slower on a GPU and the log says so."""
    assert set(waiting("dynamo:as_released")) == {"_local_scalar_dense"}


@pytest.mark.parametrize(
    ("reads", "found"),
    [
        (lambda x: x[x > 0].sum(), ["index", "index_put"]),
        (lambda x: x.sum() * float(x[0, 0].detach()), ["_local_scalar_dense"]),
        (lambda x: x.sum() if x.max() > 0 else -x.sum(), ["_local_scalar_dense"]),
        (lambda x: x[(x[:, 0] > 0).nonzero()[:, 0]].sum(), ["nonzero"]),
        (lambda x: x[[0, 2]].sum(), ["lift_fresh"]),
        (lambda x: x.where(x > 0, 0).sum() + x[torch.arange(2), 0].sum(), []),
    ],
)
def test_waiting_is_seen(reads: Any, found: list[str]) -> None:
    class Reads(nn.Linear):
        def loss(self, batch: Any, rng: Any) -> Any:
            return reads(self.weight), {}

        def groups(self) -> list[ParameterGroup]:
            return [ParameterGroup("all", list(self.parameters()))]

    torch.manual_seed(0)
    assert waits(Reads(3, 4), None, TrainingConfig()) == found
