"""Learning curves told to a tracker while they grow: fakes of the packages, and TensorBoard itself where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.launch.base import execution_of
from benchmark.launch.execute import Executor
from benchmark.launch.trackers import require_tracker
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store


class Fake(SimpleNamespace):
    """A package that is called as wandb is; it breaks at a step if it is told to."""

    def __init__(self, breaks_at: int = -1):
        super().__init__(runs=[], points=[], finished=0, breaks_at=breaks_at)

    def init(self, **settings: Any) -> None:
        self.runs.append(settings)

    def log(self, values: dict[str, float], step: int) -> None:
        if step == self.breaks_at:
            raise OSError("no route to host")
        self.points.append((step, values))

    def finish(self) -> None:
        self.finished += 1


def planned(*overrides: str) -> Plan:
    return make_plan(Request(("byol",), ("toy",), ("mlp",), preset="smoke", overrides=("machine.threads=1", *overrides)))


def trained(store: Store, *overrides: str) -> Path:
    """The folder of a pretraining, made here with the plan's own tracker."""
    plan = planned(*overrides)
    executor = Executor(store, Reporter(quiet=True), execution_of(plan.configs["toy"]))
    folders = {stage.kind: executor.execute(stage) for stage in plan.stages.values() if stage.kind in ("demos", "pretrain")}
    return folders["pretrain"]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_service_gets_the_points_that_the_artifact_has(
    name: str, toy: type, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake()
    monkeypatch.setitem(sys.modules, name, fake)  # type: ignore[arg-type]
    folder = trained(store, f"tracker={name}")
    losses = pd.read_csv(folder / "curves.csv").dropna(subset="loss")
    assert [step for step, _ in fake.points] == list(losses.step)
    assert [values["loss"] for _, values in fake.points] == pytest.approx(list(losses.loss))
    assert "step" not in fake.points[0][1]
    [run] = fake.runs  # of the pretraining only: demonstrations have no curve
    assert run["name"].startswith("pretrain · byol · toy · seed 0")
    assert run["config"]["params"]["method"] == "byol"
    assert fake.finished == 1


def test_a_tracker_that_breaks_is_switched_off_and_the_training_goes_on(
    toy: type, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(breaks_at=2)
    monkeypatch.setitem(sys.modules, "wandb", fake)  # type: ignore[arg-type]
    folder = trained(store, "tracker=wandb")
    assert [step for step, _ in fake.points] == [0, 1]
    assert (folder / "curves.csv").is_file()


def test_it_is_on_no_key(toy: type) -> None:
    assert planned("tracker=wandb").stages.keys() == planned().stages.keys()


def test_one_that_is_not_installed_or_unknown_stops_before_any_work(
    toy: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchmarkError, match="Fix it with: python -m pip install trackio"):
        require_tracker("trackio")
    require_tracker("none")
    with pytest.raises(BenchmarkError, match="did you mean tensorboard"):
        planned("tracker=tensorbord")
    words = ["run", "--methods", "random", "--envs", "toy", "--policies", "mlp", "--preset", "smoke", "tracker=wandb"]
    assert main([*words, "--home", str(tmp_path / "home")]) == 2
    assert "pip install wandb" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_tensorboard_reads_it(toy: type, store: Store) -> None:
    pytest.importorskip("tensorboard", reason="python -m pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = trained(store, "tracker=tensorboard")
    [events] = (store.root / "tracking").rglob("events.*")
    reader = EventAccumulator(str(events.parent))
    reader.Reload()
    losses = pd.read_csv(folder / "curves.csv").dropna(subset="loss")
    assert [point.step for point in reader.Scalars("loss")] == list(losses.step)
    assert [point.value for point in reader.Scalars("loss")] == pytest.approx(list(losses.loss))
