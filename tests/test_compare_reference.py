"""The comparison with DynaMo's release: on a stand-in for it, and on a checkout where BENCHMARK_DYNAMO_CHECKOUT names one."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.core.errors import BenchmarkError
from benchmark.methods.dynamo import DynaMo
from tests import stand_in_release

SCRIPTS = Path(__file__).parent.parent / "scripts"
CHECKOUT = os.environ.get("BENCHMARK_DYNAMO_CHECKOUT", "")
SMALL = [
    *("--synthetic", "--resolution", "32", "--width", "8", "--context", "3", "--batch", "3", "--episodes", "4"),
    *("--probe", "20", "--double"),
]


@pytest.fixture(autouse=True)
def compare(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, with models of one layer."""
    monkeypatch.setitem(DynaMo.presets["paper"], "layers", 1)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("compare_reference")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return stand_in_release.write(tmp_path / "dynamo_ssl")


def run(compare: Any, checkout: Path | str, *arguments: str) -> Any:
    return compare.compare(compare.parser().parse_args(["--dynamo", str(checkout), *SMALL, *arguments]))


def differences(compare: Any, comparison: Any) -> np.ndarray:
    [ours] = comparison.ours
    return np.array([abs(b.loss - a.loss) for a, b in zip(comparison.release.course, ours.course, strict=True)])


# ---------------------------------------------------------------------------------------------------------- what is refused


def test_a_path_that_is_no_checkout_is_refused_by_name(
    compare: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main(["--dynamo", str(tmp_path / "absent"), *SMALL]) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path / 'absent'} is no checkout" in message
    assert "git clone https://github.com/jeffacce/dynamo_ssl" in message


def test_what_a_checkout_lacks_is_not_looked_for_in_an_index(compare: Any, checkout: Path) -> None:
    inner = checkout / "models" / "ssl" / "dynamo.py"
    inner.write_text("import models.ssl.base\n" + inner.read_text())
    with pytest.raises(BenchmarkError, match=r"is no checkout of the release, it has no models/ssl/base\.py"):
        compare.load_release(checkout)
    (checkout / "models" / "encoder" / "resnet.py").unlink()
    with pytest.raises(BenchmarkError, match=r"it has no models/encoder/resnet\.py"):
        compare.load_release(checkout)


def test_what_the_release_imports_and_is_not_there_comes_with_the_command(
    compare: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout, before = stand_in_release.write(tmp_path / "dynamo_ssl", "import wand_of_absence.core"), list(sys.path)
    assert compare.main(["--dynamo", str(checkout), *SMALL]) == 2
    message = capsys.readouterr().err
    assert "wand_of_absence, which is not installed" in message
    assert "python -m pip install accelerate einops wand_of_absence" in message
    assert sys.path == before


@pytest.mark.parametrize(
    "variant", ["no_inverse", "no_forward", "actions_only", "with_actions", "no_bottleneck", "short_context"]
)
def test_a_variant_without_a_counterpart_in_the_release_is_refused(
    compare: Any, checkout: Path, variant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main(["--dynamo", str(checkout), *SMALL, "--variant", f"dynamo:{variant}"]) == 2
    assert "release" in capsys.readouterr().err


def test_other_methods_are_refused(compare: Any, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["--dynamo", str(checkout), "--variant", "byol"]) == 2
    assert "byol is no variant of dynamo" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------- what is compared


def test_the_checkout_does_not_stay_importable(compare: Any, checkout: Path) -> None:
    compare.load_release(checkout)
    assert str(checkout) not in sys.path
    assert not [name for name in sys.modules if name.split(".")[0] == "models"]


@pytest.mark.parametrize("target", ["simsiam", "ema"])
def test_the_whole_state_is_copied(compare: Any, checkout: Path, target: str) -> None:
    """Every tensor of ours gets a number of the release: those that ours began with are all NaN."""
    options = compare.parser().parse_args(["--dynamo", str(checkout), *SMALL, "--target", target])
    config = compare.settings(options)
    torch.manual_seed(0)
    start = compare.Released(compare.load_release(checkout), config, 4, "cpu", torch.float64)
    method = DynaMo(config, compare.synthetic(32, 1).spec).double()
    for tensor in method.state_dict().values():
        tensor.fill_(torch.nan if tensor.is_floating_point() else -1)
    compare.copy_state(start, method)
    assert all(bool(tensor.isfinite().all()) for tensor in method.state_dict().values())
    assert [name for name, tensor in method.state_dict().items() if tensor.numel() == 1 and tensor < 0] == ["epoch"]
    x, steps = torch.rand(6, 3, 32, 32, dtype=torch.float64), torch.randn(2, 3, 64, dtype=torch.float64)
    torch.testing.assert_close(method.encoder(x), start.encoder(x), rtol=1e-4, atol=1e-5)  # ours subtracts a float32
    torch.testing.assert_close(method.inverse_model(steps), start.inverse(steps[:, :, None])[:, :, 0])
    inputs = torch.randn(2, 2, 72, dtype=torch.float64)
    torch.testing.assert_close(method.forward_model(inputs), start.method.forward_dynamics(inputs))


@pytest.mark.parametrize("target", ["simsiam", "ema"])
def test_as_released_takes_the_course_of_the_release(compare: Any, checkout: Path, target: str) -> None:
    """The moving average's momentum, which rises once per epoch, included: 12 steps are 4 epochs."""
    comparison = run(compare, checkout, "--steps", "12", "--epochs", "4", "--target", target)
    assert differences(compare, comparison).max() < 1e-6
    losses = [terms.loss for terms in comparison.release.course]
    assert losses[-1] < losses[0] - 0.01
    assert comparison.probes["release"].linear_r2 == pytest.approx(comparison.probes["dynamo:as_released"].linear_r2, abs=1e-4)
    assert comparison.probes["release"] != comparison.probes["start"]


def test_other_weightings_start_with_the_same_dynamics_and_part(compare: Any, checkout: Path) -> None:
    comparison = run(compare, checkout, "--steps", "4", "--variant", "dynamo", "dynamo:release_covariance")
    equation, release = comparison.ours
    first = comparison.release.course[0]
    assert equation.course[0].dynamics == pytest.approx(first.dynamics, abs=1e-6)
    assert equation.course[0].covariance == pytest.approx(63 * first.covariance, rel=1e-6)
    assert release.course[0].covariance == pytest.approx(first.covariance, rel=1e-6)
    assert abs(equation.course[-1].dynamics - comparison.release.course[-1].dynamics) > 1e-6


def test_under_the_schedule_only_the_first_epoch_is_the_same(compare: Any, checkout: Path) -> None:
    """Nothing but the forward model moves in it. After it the release's rates are stairs, ours a ramp."""
    apart = differences(compare, run(compare, checkout, "--steps", "24", "--epochs", "8", "--schedule", "cosine"))
    assert apart[:4].max() < 1e-6  # the fourth loss is that of the networks after three steps
    assert apart[4:].max() > 1e-5


def test_the_release_s_rate(compare: Any) -> None:
    """Zero in the first of five epochs of warm-up, the base rate at the sixth, half of it in the middle of what is left."""
    released_rate = importlib.import_module("released_dynamo").released_rate
    config = DynaMo.Config(lr=1e-4, epochs=45, warmup=1 / 9)
    assert [released_rate(config, epoch) for epoch in (0, 1, 5, 25)] == pytest.approx([0, 2e-5, 1e-4, 5e-5])
    assert released_rate(replace(config, schedule="constant"), 0) == 1e-4


def test_synthetic_frames_show_their_state(compare: Any) -> None:
    demos = compare.synthetic(32, 3)
    x, y = (demos.states[:, :2] * 28).astype(int).T
    assert (demos.frames[np.arange(len(demos.states)), 0, y, x] == (250, 120, 60)).all()
    assert ((demos.states >= 0) & (demos.states <= 1)).all()
    assert demos.states.std(0).min() > 0.1


def test_the_probe_is_of_the_encoder_that_it_is_given(compare: Any) -> None:
    """Eight numbers of a frame, its rows' and columns' means, say where one of two squares is; a constant says nothing."""
    demos = compare.synthetic(32, 20)

    class Means(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            assert not self.training
            return self.scale * torch.cat([images.mean(2).flatten(1), images.mean(3).flatten(1)], 1)

    encoder = Means().train()
    assert compare.probe(encoder, demos, 1000).linear_r2 > 0.9
    assert encoder.training
    encoder.scale.data.zero_()
    assert compare.probe(encoder, demos, 1000).linear_r2 < 0.1


# ----------------------------------------------------------------------------------------------------------- what is printed


@pytest.mark.parametrize(("steps", "shown"), [(1, [0]), (3, [0, 1, 2]), (50, [*range(0, 49, 3), 49])])
def test_table(compare: Any, steps: int, shown: list[int]) -> None:
    theirs = [compare.Terms(3.0 + step, 2.0, 1.0) for step in range(steps)]
    ours = [compare.Terms(3.5 + step, 1.75, 1.0) for step in range(steps)]
    _, *lines = compare.course_table(theirs, ours).splitlines()
    rows = [list(map(float, line.split())) for line in lines]
    assert [row[0] for row in rows] == shown
    assert all(row[1:] == [3 + row[0], 3.5 + row[0], 0.5, 2, 1.75, -0.25, 1, 1, 0] for row in rows)
    assert compare.largest_difference(theirs, [*ours[:-1], compare.Terms(0, 0, 0)]) == 2 + steps


def test_a_first_loss_that_differs_is_an_error(
    compare: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main(["--dynamo", str(checkout), *SMALL, "--steps", "2"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["start", "release", "dynamo:as_released"]
    released = stand_in_release.DynaMoSSL.__init__
    monkeypatch.setattr(
        stand_in_release.DynaMoSSL, "__init__", lambda self, *a, **k: released(self, *a, **{**k, "covariance_reg_coef": 0.05})
    )
    assert compare.main(["--dynamo", str(checkout), *SMALL, "--steps", "2"]) == 1
    assert "does not start from the loss of the release" in capsys.readouterr().err
    assert compare.main(["--dynamo", str(checkout), *SMALL, "--steps", "2", "--variant", "dynamo"]) == 0


# ---------------------------------------------------------------------------------------------------------- the real release


@pytest.mark.skipif(not CHECKOUT, reason="BENCHMARK_DYNAMO_CHECKOUT names no checkout of the release")
@pytest.mark.parametrize("target", ["simsiam", "ema"])
def test_release_and_as_released_are_the_same(compare: Any, target: str) -> None:
    """In double precision; the release adds up its loss in single."""
    apart = differences(compare, run(compare, CHECKOUT, "--steps", "12", "--epochs", "4", "--target", target))
    assert apart.max() < 1e-6
