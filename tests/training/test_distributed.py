"""Two processes that train one encoder, against one process: the same curves up to the rounding of sums.

The other process is started once and goes through all cases with this one.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from torch import Tensor, distributed, nn

from benchmark import registry
from benchmark.conformance.common import tensors
from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.method import MethodConfig
from benchmark.contracts.training import ParameterGroup
from benchmark.core.collective import average_, mine, processes, rank
from benchmark.core.errors import BenchmarkError, Lost
from benchmark.core.progress import Task
from benchmark.training.checkpoints import Trained
from benchmark.training.distributed import together
from benchmark.training.loop import train
from benchmark.training.sharding import Shards

DATA = DataSpec("fake", ("front", "side"), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)
BATCH, STEPS = 8, 2
CASES = (  # NAME or NAME:VARIANT
    *("byol", "byol_t", "simsiam", "moco_v3", "vicreg", "dino", "lejepa", "lewm", "mae", "inverse_dynamics"),
    *("dynamo", "dynamo:ema", "dynamo:with_actions", "dynamo:equation_covariance"),
    *("rpt", "rpt:ema", "rpt_sensorimotor", "tcn_sv", "tcn_sv:npairs", "tcn_sv:infonce", "tcn_mv"),
)
# How far logged values may lie from those of one process, as a part of the largest of their name. In the first step only sums
# are rounded in another order: 4e-6 was seen, of gradients 9e-4, where batch norms divide by hardly any variance (one process
# does the same if the halves of its batch change places). After that weights differ, and batch norms of noise multiply it.
FIRST, GRADIENT, LATER = 1e-4, 5e-3, 5e-2
STEADY = {"dino": 1e-4, "mae": 1e-4, "rpt_sensorimotor": 1e-4, "dynamo:with_actions": 1e-3}  # of all steps; a tenth was seen
CLIP = 0.01  # below all norms here
DIVIDED = (  # the name of a run, the one whose second step it goes on from, the stage of ZeRO
    *(("whole", "", 0), ("parts", "", 1), ("gradients", "", 2)),
    *(("parts 2", "whole", 1), ("whole 2", "parts", 0), ("gradients 2", "whole", 2), ("whole 3", "gradients", 0)),
)

Curves = list[dict[str, float]]


class Noise(nn.Module):
    """Logs what dropout would draw."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return (self.weight * batch.actions).mean(), {"noise": torch.rand(())}

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("all", [self.weight])]

    def after_step(self, step: int, steps: int) -> None: ...


def made(case: str) -> tuple[nn.Module, MethodConfig, int]:
    """A method at smoke size, its config and the length of its windows."""
    name, _, variant = case.partition(":")
    cls = registry.methods().get(name)
    config = cls.Config(**{**cls.presets["smoke"], **cls.variants.get(variant, {}), "batch_size": BATCH})
    torch.manual_seed(0)
    return cls(config, DATA), config, cls.batch_spec(config).window


def batch_at(step: int, window: int) -> Windows:
    rng = np.random.default_rng(step)
    frames = torch.from_numpy(rng.integers(0, 256, (BATCH, window, 2, 3, 32, 32), dtype=np.uint8))
    actions = torch.from_numpy(rng.normal(size=(BATCH, window, 3)).astype(np.float32))
    whole = (frames, actions, actions[..., :2], torch.arange(BATCH), torch.zeros(BATCH, dtype=torch.long))
    return Windows(*map(mine, whole))


def run(module: nn.Module, config: MethodConfig, window: int, folder: Path, steps: int = STEPS, **more: Any) -> Trained:
    return train(
        module,
        lambda step: batch_at(step, window),
        config,
        steps=steps,
        seed=3,
        device="cpu",
        precision="fp32",
        checkpoints=folder,
        checkpoint_every=2,
        task=Task(),
        **more,
    )


def all_curves(folder: Path) -> dict[str, Curves]:
    """Of every case; each process runs this."""
    curves = {}
    for case in CASES:
        module, config, window = made(case)
        curves[case] = run(module, config, window, folder / f"{case}-{processes()}").curves
    torch.manual_seed(0)
    curves["noise"] = run(Noise(), MethodConfig(), 1, folder / f"noise-{processes()}").curves
    return curves


def resumed(folder: Path) -> tuple[bytes, bytes]:
    """The weights of an uninterrupted run, and those of one that goes on from its last checkpoint but one."""
    ends = []
    for _ in range(2):
        module, config, window = made("byol")
        run(module, config, window, folder, steps=3)
        ends.append(save(tensors(module)))
        if rank() == 0:
            for path in folder.glob("step3.*"):
                path.unlink()
    return ends[0], ends[1]


def sharded(folder: Path) -> dict[str, bytes]:
    """The weights after three steps: of whole optimisers, of divided ones with whole and divided gradients, and of each gone on
    from another's second step. LARS looks at each parameter as a whole, and clipping at all of them."""
    ends = {}
    for optimizer in ("adamw", "lars"):
        for name, start, zero in DIVIDED:
            place = folder / f"{optimizer} {name}"
            if rank() == 0:
                place.mkdir()
                for path in (folder / f"{optimizer} {start}").glob("step2.*"):
                    shutil.copy(path, place)
            average_([torch.zeros(1)])  # nobody begins before that
            module, config, window = made("simsiam")
            config.optimizer, config.clip = optimizer, CLIP
            run(module, config, window, place, steps=3, zero=zero)
            ends[f"{optimizer} {name}"] = save(tensors(module))
    return ends


class Gradients(nn.Module):
    """Logs how many gradients there were beside one that had just been computed, at most. One parameter gets none."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(9, 9) for _ in range(6))
        self.idle = nn.Parameter(torch.ones(3))
        self.most = 0
        for parameter in self.parameters():
            parameter.register_post_accumulate_grad_hook(self.count)

    def count(self, arrived: Tensor) -> None:
        held = [parameter for parameter in self.parameters() if parameter.grad is not None and parameter is not arrived]
        self.most = max(self.most, len(held))

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        x = batch.actions.flatten(1)
        for layer in self.layers:
            x = layer(x)
        return x.square().mean(), {"held": torch.tensor(float(self.most))}

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("all", list(self.parameters()))]

    def after_step(self, step: int, steps: int) -> None: ...


def gradients_held(folder: Path) -> dict[int, Curves]:
    """By the stage of ZeRO."""
    curves = {}
    for zero in (1, 2):
        torch.manual_seed(0)
        curves[zero] = run(Gradients(), MethodConfig(clip=CLIP), 3, folder / f"held-{zero}", steps=2, zero=zero).curves
    return curves


def divided_pieces(folder: Path) -> Curves:
    module, config, window = made("mae")
    return run(module, config, window, folder / "pieces", pieces=2, zero=2).curves


def both(folder: Path) -> tuple[Any, ...]:
    return (
        *(all_curves(folder), resumed(folder / "resumed"), sharded(folder / "sharded")),
        *(gradients_held(folder), divided_pieces(folder)),
    )


def others(folder: Path) -> None:
    both(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What two processes made."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "sharded").mkdir()
    for name in [*CASES, "noise"]:
        (folder / f"{name}-2").mkdir()
    for name in ("resumed", "held-1", "held-2", "pieces"):
        (folder / name).mkdir()
    with together(2, "cpu", partial(others, folder)):
        return *both(folder), folder / "sharded"


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_curve_of_one(case: str, shared: Any, tmp_path: Path) -> None:
    module, config, window = made(case)
    one, two = run(module, config, window, tmp_path).curves, shared[0][case]
    assert len(one) == len(two) == STEPS
    assert one[0].keys() == two[0].keys()
    for name in one[0]:
        size = max(abs(row[name]) for row in one) or 1.0
        first = GRADIENT if name.startswith("grad_norm") else FIRST
        assert two[0][name] == pytest.approx(one[0][name], abs=first * size), name
        if name == "loss" or case in STEADY:
            tolerance = STEADY.get(case, LATER) * size
            assert [row[name] for row in two] == pytest.approx([row[name] for row in one], abs=tolerance), name


def test_dropout_of_each_process_is_its_own(shared: Any, tmp_path: Path) -> None:
    one, two = run(Noise(), MethodConfig(), 1, tmp_path).curves, shared[0]["noise"]
    assert all(a["noise"] != b["noise"] for a, b in zip(one, two, strict=True)), "the mean over two processes"


def test_a_shared_training_goes_on_from_its_checkpoint_to_the_same_bits(shared: Any) -> None:
    assert shared[1][0] == shared[1][1]


@pytest.mark.parametrize("optimizer", ["adamw", "lars"])
def test_a_divided_optimiser_is_a_whole_one_to_the_bit(shared: Any, optimizer: str, tmp_path: Path) -> None:
    ends, folder = shared[2], shared[-1]
    assert len({ends[f"{optimizer} {name}"] for name, _, _ in DIVIDED}) == 1
    whole, *divided = (
        load_file(folder / f"{optimizer} {name}" / "step3.safetensors") for name in ("whole", "parts", "gradients")
    )
    assert any(name.startswith("optimizer/") for name in whole)
    for parts in divided:
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
    for path in (folder / f"{optimizer} parts").glob("step2.*"):
        shutil.copy(path, tmp_path)
    module, config, window = made("simsiam")
    config.optimizer = optimizer
    alone = run(module, config, window, tmp_path, steps=3, zero=2)
    assert len(alone.curves) == 3, "one process goes on where two were"


def test_divided_gradients_leave_a_process_as_soon_as_they_are_there(shared: Any) -> None:
    """And nothing else changes, with a parameter that none of them reaches."""
    one, two = shared[3][1], shared[3][2]
    assert one[-1]["held"] == 11, "all but the one that is last"
    assert two[-1]["held"] == 0
    for name in ("loss", "grad_norm/all"):
        assert [row[name] for row in two] == pytest.approx([row[name] for row in one], rel=1e-6)


def test_a_group_without_parameters_has_no_gradient_to_clip() -> None:
    assert Shards([nn.Parameter(torch.ones(2))]).norm([]) == 0


def test_pieces_of_a_batch_add_up_where_their_gradients_go(shared: Any, tmp_path: Path) -> None:
    module, config, window = made("mae")
    for one, pieces in zip(run(module, config, window, tmp_path).curves, shared[4], strict=True):
        assert pieces == pytest.approx(one, rel=1e-3)


def test_a_batch_in_pieces_has_the_curve_of_the_whole(tmp_path: Path) -> None:
    """Where no window is compared with another."""
    for pieces in (1, 4):
        (tmp_path / str(pieces)).mkdir()
    module, config, window = made("mae")
    whole = run(module, config, window, tmp_path / "1").curves
    module, config, window = made("mae")
    for a, b in zip(whole, run(module, config, window, tmp_path / "4", pieces=4).curves, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


@pytest.mark.parametrize("name", ["byol", "vicreg", "moco_v3", "lejepa", "rpt", "inverse_dynamics", "dino"])
def test_what_compares_windows_is_not_computed_in_pieces(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"machine\.accumulate.*machine\.processes"):
        run(*made(name), tmp_path, pieces=2)


@pytest.mark.parametrize("name", ["dynamo", "lewm", "vicreg", "moco_v3"])
def test_nor_where_only_the_loss_compares_them(name: str, tmp_path: Path) -> None:
    cls = registry.methods().get(name)
    config = cls.Config(**{**cls.presets["smoke"], "backbone": "vit_tiny", "batch_size": BATCH})
    method = cls(config, DATA)
    without_norms(method)
    with pytest.raises(BenchmarkError, match="compares the windows"):
        run(method, config, cls.batch_spec(config).window, tmp_path, pieces=2)


def fail() -> None:
    raise ValueError("out of luck")


def fail_and_linger() -> None:
    distributed.destroy_process_group()
    time.sleep(1)
    fail()


@pytest.mark.parametrize("how", [fail, fail_and_linger])
def test_a_process_that_fails_ends_the_training(how: Callable[[], None], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="another process of this training ended with code 1"), together(2, "cpu", how):
        average_([torch.ones(3)])
    assert processes() == 1
    assert "out of luck" in capfd.readouterr().err


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_no_fault_of_the_training() -> None:
    """So that the launcher tries again, as it does where the first process is killed."""
    with pytest.raises(Lost, match="killed by SIGKILL"), together(2, "cpu", be_killed):
        average_([torch.ones(3)])


def run_out() -> None:
    raise MemoryError("nothing is left")


def test_memory_that_was_too_small_in_any_process_is_told_as_that(capfd: pytest.CaptureFixture[str]) -> None:
    """So that the launcher tries smaller pieces, as it does of one process (tests/launch/test_memory.py)."""
    with pytest.raises(MemoryError, match="in another process of this training"), together(2, "cpu", run_out):
        average_([torch.ones(3)])
    assert "nothing is left" in capfd.readouterr().err
    with pytest.raises(MemoryError, match="in this one"), together(2, "cpu", fail):
        raise MemoryError("in this one")


def without_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, nn.Identity())
        else:
            without_norms(child)
