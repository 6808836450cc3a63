"""Steps: the eager one against the loop written out, the captured one against a stand-in for CUDA's graphs."""

from __future__ import annotations

import copy
import math
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from lightly.utils.lars import LARS as LightlyLARS
from safetensors.torch import save
from torch import nn

from benchmark import registry
from benchmark.conformance.common import tensors
from benchmark.contracts.data import ActionBatch, Chunks, DataSpec, Windows
from benchmark.contracts.method import MethodConfig
from benchmark.contracts.specs import PolicySpec
from benchmark.contracts.training import ParameterGroup, TrainingConfig
from benchmark.core.progress import Task
from benchmark.core.seeds import seed as seed_of
from benchmark.training.accelerator import EagerStep
from benchmark.training.captured import WARM_UP, CapturedStep, buffers, copy_into, layout
from benchmark.training.lars import LARS
from benchmark.training.loop import train
from benchmark.training.optimizers import make_optimizer, schedule
from tests.policies.prepared import prepare

DATA = DataSpec("fake", ("a",), 32, 2, 1, 3, 10.0)


def windows(step: int, window: int, views: int = 1) -> Windows:
    rng = np.random.default_rng(step)
    frames = torch.from_numpy(rng.integers(0, 256, (4, window, views, 3, 32, 32), dtype=np.uint8))
    numbers = torch.from_numpy(rng.normal(size=(4, window, 2)).astype(np.float32))
    return Windows(frames, numbers, numbers[..., :1], torch.arange(4), torch.zeros(4, dtype=torch.long))


def chunks(step: int, config: Any) -> Chunks:
    rng = torch.Generator().manual_seed(step)
    return Chunks(
        features=torch.randn(16, config.history, 5, generator=rng),
        actions=torch.rand(16, config.chunk, 2, generator=rng) * 2 - 1,
        valid=torch.rand(16, config.chunk, generator=rng) < 0.9,
        taken=torch.rand(16, config.history, 2, generator=rng) * 2 - 1,
    )


def learner(name: str) -> tuple[nn.Module, Any, Any]:
    """A method, `dynamo` or `dynamo:as_released`, or a policy or its tokenizer, `vqbet/tokenizer`, at smoke size; its config
    and its batches."""
    torch.manual_seed(0)
    name, _, variant = name.partition(":")
    if name in registry.methods().names():
        cls = registry.methods().get(name)
        config = cls.Config(**{**cls.presets["smoke"], **cls.variants.get(variant, {})})
        spec = cls.batch_spec(config)
        data = replace(DATA, views=("a", "b")[: spec.min_views])
        return cls(config, data), config, lambda step: windows(step, spec.window, spec.min_views)
    name, _, part = name.partition("/")
    cls = registry.policies().get(name)
    config = cls.Config(**cls.presets["smoke"])
    if part == "tokenizer":
        assert cls.Tokenizer is not None
        tokenizer = cls.Tokenizer(cls.Tokenizer.settings(config), 2)
        tokenizer.prepare(chunks(99, config).actions, torch.Generator().manual_seed(0))
        return tokenizer, tokenizer.learning(), lambda step: ActionBatch(chunks(step, config).actions)
    policy = cls(config, PolicySpec(5, 2))
    prepare(policy, chunks(99, config), torch.Generator().manual_seed(0))
    return policy, config, lambda step: chunks(step, config)


def written_out(module: nn.Module, batch_at: Any, config: Any, steps: int, seed: int) -> list[float]:
    """The loop as it was before steps became objects, with lightly's LARS."""
    module.train()
    groups = module.groups()
    parts = []
    for group in groups:
        for decay in (True, False):
            members = [p for p in group.params if (p.ndim > 1) == decay]
            if members:
                parts.append({"params": members, "weight_decay": config.weight_decay if decay else 0.0, "group": group.name})
    if config.optimizer == "lars":
        optimizer = LightlyLARS(parts, lr=config.lr, momentum=config.momentum)
    else:
        optimizer = torch.optim.AdamW(parts, lr=config.lr, betas=tuple(config.betas), fused=True)
    losses = []
    for step in range(steps):
        for part in optimizer.param_groups:
            group = next(g for g in groups if g.name == part["group"])
            factor = schedule(config.schedule, config.warmup, step, steps) if group.scheduled else 1.0
            part["lr"] = config.lr * group.lr_scale * factor
        torch.manual_seed(seed_of("dropout", seed, step, 0))
        loss, _ = module.loss(batch_at(step), torch.Generator().manual_seed(seed_of("step", seed, step)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in groups:
            nn.utils.clip_grad_norm_(group.params, math.inf if config.clip is None else config.clip)
        optimizer.step()
        module.after_step(step, steps)
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("dynamo", "adamw"), ("byol", "lars"), ("byol", "adamw"), ("vqbet", "adamw"), ("diffusion", "adamw")],
)
def test_the_loop_computes_what_it_did_bit_for_bit(tmp_path: Path, name: str, optimizer: str) -> None:
    module, config, batch_at = learner(name)
    config.optimizer, config.weight_decay, config.warmup, config.schedule = optimizer, 0.01, 0.5, "cosine"
    reference = copy.deepcopy(module)
    losses = written_out(reference, batch_at, config, 6, 3)
    trained = train(
        module,
        batch_at,
        config,
        steps=6,
        seed=3,
        device="cpu",
        precision="fp32",
        checkpoints=tmp_path,
        checkpoint_every=4,
        task=Task(),
    )
    assert [row["loss"] for row in trained.curves] == losses
    assert save(tensors(module)) == save(tensors(reference))


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_fused_optimisers_take_the_steps_of_plain_ones(name: str) -> None:
    """Up to rounding, also where weights lie channels last: a fused kernel reads a parameter and its moments in one order."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1)).to(memory_format=torch.channels_last)
    plain, x = copy.deepcopy(model), torch.rand(2, 3, 6, 6)
    config = TrainingConfig(optimizer=name, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9))
    fused = make_optimizer([ParameterGroup("all", list(model.parameters()))], config)
    parts = [{"params": [p for p in plain.parameters() if (p.ndim > 1) == d], "weight_decay": 0.1 * d} for d in (True, False)]
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    more = {"momentum": 0.9} if name == "sgd" else {"betas": (0.8, 0.9)}
    reference = kinds[name](parts, lr=0.01, foreach=False, **more)
    for _ in range(5):
        for module, optimizer in ((model, fused), (plain, reference)):
            optimizer.zero_grad()
            (module(x) ** 2).mean().backward()
            optimizer.step()
    assert all(group["fused"] for group in fused.param_groups)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_without_a_limit_gradients_are_measured_and_left_alone() -> None:
    model = nn.Linear(3, 2)
    model(torch.rand(4, 3)).sum().backward()
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    groups = [ParameterGroup("all", list(model.parameters()))]
    optimizer = torch.optim.SGD(model.parameters())
    norm = EagerStep(cast(Any, model), groups, optimizer, None, "cpu", "fp32").clipped(groups[0].params)
    assert float(norm) == pytest.approx(float(torch.cat([g.flatten() for g in before]).norm()))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), before, strict=True) if p.grad is not None)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(model.parameters(), math.inf))


def test_products_are_rounded_until_the_gradients_are_there() -> None:
    seen = []

    class Watched(nn.Linear):
        def loss(self, batch: Any, rng: Any) -> Any:
            seen.append(torch.get_float32_matmul_precision())
            return self(batch).sum(), {}

    model = Watched(3, 2)
    model.weight.register_hook(lambda gradient: seen.append(torch.get_float32_matmul_precision()))
    groups = [ParameterGroup("all", list(model.parameters()))]
    before = torch.get_float32_matmul_precision()
    EagerStep(cast(Any, model), groups, torch.optim.SGD(model.parameters()), None, "cpu", "tf32")(torch.rand(4, 3), 0)
    assert seen == ["high", "high"]
    assert torch.get_float32_matmul_precision() == before


def test_lars_is_lightlys_also_where_a_norm_is_zero_and_with_a_rate_that_is_a_tensor() -> None:
    start = [torch.randn(4, 3), torch.zeros(2, 2), torch.randn(5)]
    gradients = [[torch.randn_like(p) * (i != 1) for p in start] for i in range(4)]
    ours, tensor_rate, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(3))

    def parts(params: list[nn.Parameter]) -> list[dict[str, Any]]:
        matrices = {"params": params[:2], "weight_decay": 0.1, "trusted": True}
        return [matrices, {"params": params[2:], "weight_decay": 0.0, "trusted": False}]

    optimizers = LARS(parts(ours), 0.3, 0.9), LARS(parts(tensor_rate), 0.3, 0.9), LightlyLARS(parts(theirs), 0.3, 0.9)
    for group in optimizers[1].param_groups:
        group["lr"] = torch.tensor(0.3)
    for step in gradients:
        for params, optimizer in zip((ours, tensor_rate, theirs), optimizers, strict=True):
            for parameter, gradient in zip(params, step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for a, b in zip(tensor_rate, theirs, strict=True):
        torch.testing.assert_close(a, b)


# ------------------------------------------------------------------------------------------- a stand-in for CUDA's graphs


class Graphs:
    """`torch.cuda` as a captured step uses it. A capture runs nothing: what the recorded step changed is put back. A replay
    computes the same on the same buffers and writes into the same results."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: nn.Module, refuses: bool = False, waits: bool = False):
        self.module, self.refuses, self.waits = module, refuses, waits
        self.mode, self.replays, self.step = 0, 0, None
        fakes: dict[str, Any] = {
            "Stream": lambda: self,
            "current_stream": lambda: self,
            "set_stream": lambda stream: None,
            "stream": lambda stream: nullcontext(),
            "CUDAGraph": lambda: self,
            "graph": self.graph,
            "get_sync_debug_mode": lambda: self.mode,
            "set_sync_debug_mode": self.set_mode,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr("benchmark.training.captured._repair_generators", lambda eager: None)  # of CUDA alone

    def wait_stream(self, stream: Any) -> None: ...

    def register_generator_state(self, rng: torch.Generator) -> None: ...

    def set_mode(self, mode: Any) -> None:
        self.mode = mode
        if mode == "warn" and self.waits:
            warnings.warn("called a synchronizing CUDA operation", stacklevel=1)

    @contextmanager
    def graph(self, graph: Any, stream: Any):
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        optimizer = self.step.eager.optimizer
        before, state = copy.deepcopy(self.module.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])
        yield
        self.module.load_state_dict(before)
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def replay(self) -> None:
        self.replays += 1
        for name, value in self.step.eager.compute(self.step._batch).items():
            self.step._values[name].copy_(value)


def steps_of(module: nn.Module, config: Any) -> EagerStep:
    module.train()
    return EagerStep(module, module.groups(), make_optimizer(module.groups(), config), config.clip, "cpu", "fp32")


@pytest.mark.parametrize("name", ["dynamo", "vqbet"])
def test_replays_follow_the_warm_up_and_train_like_single_operations(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module, config, batch_at = learner(name)
    twin = copy.deepcopy(module)
    eager = steps_of(twin, config)
    graphs = Graphs(monkeypatch, module)
    captured = graphs.step = CapturedStep(steps_of(module, config))
    for i in range(8):
        results = []
        for step in (eager, captured):
            torch.manual_seed(i)
            results.append({k: float(v) for k, v in step(batch_at(i), i).items()})
        assert results[0] == results[1]
    assert captured.captured
    assert graphs.replays == 8 - WARM_UP
    assert save(tensors(module)) == save(tensors(twin))
    small = batch_at(8)
    for value in vars(small):
        if isinstance(getattr(small, value), torch.Tensor):
            setattr(small, value, getattr(small, value)[:3])
    captured(small, 8)
    assert graphs.replays == 8 - WARM_UP, "a batch of another shape must not go through the graph"


FAULTS = [({"refuses": True}, "RuntimeError: operation not permitted when"), ({"waits": True}, "waits for the device")]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_what_cannot_be_captured_goes_on_and_says_why_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: dict[str, bool], reason: str
) -> None:
    module, config, batch_at = learner("dynamo")
    twin = copy.deepcopy(module)
    eager = steps_of(twin, config)
    graphs = Graphs(monkeypatch, module, **fault)
    captured = graphs.step = CapturedStep(steps_of(module, config))
    for i in range(6):
        eager(batch_at(i), i)
        captured(batch_at(i), i)
    assert not captured.captured
    assert save(tensors(module)) == save(tensors(twin))
    assert [reason in record.getMessage() for record in caplog.records] == [True]
    assert "more" not in caplog.text


def test_a_static_batch_keeps_layout_and_takes_new_values() -> None:
    first, second = windows(0, 2), windows(1, 2)
    first.frames, second.frames = (b.frames.transpose(3, 5) for b in (first, second))
    static = buffers(first)
    assert static.frames.stride() == first.frames.stride()
    assert static.frames.data_ptr() != first.frames.data_ptr()
    copy_into(static, second)
    assert all(torch.equal(getattr(static, name), getattr(second, name)) for name in vars(second))
    assert layout(first) == layout(second)
    assert layout(first) != layout(windows(0, 3))


def test_tensor_rates_are_for_cuda_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, config, batch_at = learner("dynamo")
    optimizer = make_optimizer(module.groups(), MethodConfig())
    assert all(group["fused"] and isinstance(group["lr"], float) for group in optimizer.param_groups)
    monkeypatch.setattr("benchmark.training.loop.tensor_rates", None)
    monkeypatch.setattr("benchmark.training.loop.CapturedStep", None)
    train(
        module,
        batch_at,
        config,
        steps=1,
        seed=0,
        device="cpu",
        precision="fp32",
        checkpoints=tmp_path,
        checkpoint_every=1,
        task=Task(),
    )
