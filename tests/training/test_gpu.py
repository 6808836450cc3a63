"""What only a CUDA device can show.

Tolerance: in float32 and at 1 % of the learning rate the losses of captured and eager steps agree within 1 % in each of 50
steps (0.52 % on an H100 for the triplets that TCN mines, all others below 0.5 %). Atomic additions make even two eager runs
differ in the last bits; on a processor, weights that start 1e-6 apart end up to 3e-4 apart at that rate, and 12 % at the full
one. That rates and decay reach a graph is tested on weights.
"""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.contracts.data import DataSpec, Episode
from benchmark.contracts.method import BatchSpec
from benchmark.core.progress import Task
from benchmark.data.augment import byol
from benchmark.data.episodes import DemosWriter, open_demos
from benchmark.data.windows import WindowSampler
from benchmark.training.accelerator import EagerStep
from benchmark.training.captured import CapturedStep
from benchmark.training.checkpoints import Trained
from benchmark.training.loop import train
from benchmark.training.optimizers import make_optimizer, set_learning_rates, tensor_rates
from tests.training.test_steps import learner
from tests.training.test_waiting import HEADS, LEARNERS

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

STEPS, TOLERANCE = 50, 0.01
EAGER = ("dynamo:as_released",)  # decides by a number on the device what is trained


def on_cuda(batch):
    moved = {name: value.cuda() if isinstance(value, torch.Tensor) else value for name, value in vars(batch).items()}
    return type(batch)(**moved)


def run(
    folder: Path,
    name: str,
    capture: bool,
    steps: int = STEPS,
    stop: int | None = None,
    precision: str = "fp32",
    compiled: bool = False,
) -> Trained | None:
    module, config, batch_at = learner(name)
    config.lr *= 0.01
    folder.mkdir(exist_ok=True)

    def batches(step: int):
        if step == stop:
            raise KeyboardInterrupt
        return on_cuda(batch_at(step))

    try:
        return train(
            module,
            batches,
            config,
            steps=steps,
            seed=3,
            device="cuda",
            precision=precision,
            checkpoints=folder,
            checkpoint_every=10,
            task=Task(),
            capture=capture,
            compiled=compiled,
        )
    except KeyboardInterrupt:
        return None


def losses(trained: Trained | None) -> np.ndarray:
    assert trained is not None
    return np.array([row["loss"] for row in trained.curves])


def compare(a: np.ndarray, b: np.ndarray, record_property: Any) -> None:
    difference = np.abs(a - b) / np.maximum(np.abs(b), 1e-6)
    record_property("largest difference", float(difference.max()))
    assert len(a) == STEPS
    assert difference.max() < TOLERANCE, difference


def test_seeding_between_replays_decides_what_is_drawn() -> None:
    """Both of the step's own generator and of the global one, bit for bit as without a graph."""
    rng, graph, x = torch.Generator("cuda"), torch.cuda.CUDAGraph(), torch.ones(1000, device="cuda")

    def draw() -> torch.Tensor:
        return torch.cat([torch.rand(1000, generator=rng, device="cuda"), nn.functional.dropout(x), torch.randn_like(x)])

    def seed(value: int) -> None:
        torch.manual_seed(value)
        rng.manual_seed(value)

    draw()
    graph.register_generator_state(rng)
    with torch.cuda.graph(graph):
        static = draw()
    for value in (1, 2, 1, 3):
        seed(value)
        graph.replay()
        replayed = static.clone()
        seed(value)
        assert torch.equal(replayed, draw()), value


@pytest.mark.parametrize("name", LEARNERS)
def test_captured_and_eager_steps_have_the_same_losses(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    captured = losses(run(tmp_path / "a", name, True))
    assert "without a CUDA graph" not in caplog.text
    compare(captured, losses(run(tmp_path / "b", name, False)), record_property)


@pytest.mark.parametrize("name", ["dynamo", "byol", "vqbet"])
def test_compiled_steps_are_captured_and_have_the_same_losses(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    compiled = losses(run(tmp_path / "a", name, True, compiled=True))
    assert "without a CUDA graph" not in caplog.text
    compare(compiled, losses(run(tmp_path / "b", name, False)), record_property)


@pytest.mark.parametrize(("precision", "first"), [("tf32", 2e-3), ("bf16", 1e-2)])
@pytest.mark.parametrize("name", HEADS)
def test_policies_trained_in_less_start_as_in_float32(
    tmp_path: Path, name: str, precision: str, first: float, record_property: Any
) -> None:
    """And stay near it: 10 bits of mantissa or 7, at 1 % of the learning rate."""
    rounded = losses(run(tmp_path / "a", name, True, precision=precision))
    plain = losses(run(tmp_path / "b", name, True))
    assert rounded[0] == pytest.approx(plain[0], rel=first)
    assert np.abs(rounded - plain).max() < 0.05 * np.abs(plain).max(), rounded - plain


@pytest.mark.parametrize("name", EAGER)
def test_what_waits_for_the_device_is_trained_all_the_same(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    captured = losses(run(tmp_path / "a", name, True))
    assert "without a CUDA graph: it waits for the device" in caplog.text
    compare(captured, losses(run(tmp_path / "b", name, False)), record_property)


@pytest.mark.parametrize("name", ["dynamo", "vqbet"])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, name: str, record_property: Any) -> None:
    whole = losses(run(tmp_path / "a", name, True))
    run(tmp_path / "b", name, True, stop=33)
    compare(losses(run(tmp_path / "b", name, True)), whole, record_property)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "lars"])
def test_rates_and_decay_reach_the_graph(optimizer: str) -> None:
    """Weights after steps whose rates all differ, against steps without a graph."""
    ended = []
    module, config, batch_at = learner("mlp")
    config.optimizer, config.schedule, config.warmup, config.weight_decay = optimizer, "cosine", 0.5, 0.01
    for capture in (True, False):
        twin = copy.deepcopy(module).cuda().train()
        groups = twin.groups()
        made = make_optimizer(groups, config)
        tensor_rates(made, "cuda")
        step = EagerStep(twin, groups, made, config.clip, "cuda", "fp32")
        take = CapturedStep(step) if capture else step
        for i in range(12):
            set_learning_rates(made, groups, config, i, 12)
            torch.manual_seed(i)
            take(on_cuda(batch_at(i)), i)
        assert not capture or take.captured
        ended.append(nn.utils.parameters_to_vector(twin.parameters()).detach())
    torch.testing.assert_close(ended[0], ended[1], rtol=1e-4, atol=1e-6)


def test_a_capture_that_fails_leaves_the_process_able_to_draw(caplog: pytest.LogCaptureFixture) -> None:
    """The loss waits for the device, and the warm-up is kept from seeing it: the capture itself fails."""

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.calls = nn.Linear(2, 1), 0

        def loss(self, batch, rng):
            self.calls += 1
            noise = torch.rand(8, 2, generator=rng, device="cuda") + nn.functional.dropout(torch.ones(8, 2, device="cuda"))
            out = self.net(noise).mean()
            if torch.cuda.is_current_stream_capturing():
                out.item()
            return out, {}

    *_, batch_at = learner("mlp")
    module = Waits().cuda()
    optimizer = torch.optim.AdamW(module.parameters(), fused=True)
    step = CapturedStep(EagerStep(module, [], optimizer, None, "cuda", "fp32"))
    with caplog.at_level(logging.WARNING):
        for i in range(6):
            torch.manual_seed(i)
            values = step(on_cuda(batch_at(i)), i)
    assert not step.captured
    assert "without a CUDA graph" in caplog.text
    assert bool(torch.isfinite(values["loss"]))
    assert module.calls == 7
    assert torch.rand(3, device="cuda").isfinite().all()


def test_frames_on_the_device_are_those_of_the_memory_map(tmp_path: Path) -> None:
    writer = DemosWriter(tmp_path, DataSpec("fake", ("a", "b"), 16, 2, 1, 3, 10.0))
    rng = np.random.default_rng(0)
    for _ in range(3):
        frames = rng.integers(0, 256, (9, 2, 16, 16, 3), dtype=np.uint8)
        numbers = rng.normal(size=(9, 6)).astype(np.float32)
        writer.add(Episode(frames, numbers[:, :2], numbers[:, 2:5], numbers[:, 5:], {}))
    writer.finish()
    demos = open_demos(tmp_path)
    assert WindowSampler(demos, np.arange(3), BatchSpec(3), 4, 0, "cuda")._frames is not None
    host, resident = (WindowSampler(demos, np.arange(3), BatchSpec(3), 4, 0, "cuda", where) for where in (False, True))
    for step in range(12):
        a, b = host.batch_at(step), resident.batch_at(step)
        assert all(torch.equal(tensor, getattr(b, name)) for name, tensor in vars(a).items())
        assert b.frames.is_cuda


def test_augmentation_never_waits_for_the_device() -> None:
    frames, rng = torch.randint(256, (8, 1, 3, 32, 32), device="cuda").to(torch.uint8), torch.Generator("cuda")
    for recipe in byol():
        recipe(frames, rng)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for recipe in byol():
            recipe(frames, rng)
    finally:
        torch.cuda.set_sync_debug_mode("default")
