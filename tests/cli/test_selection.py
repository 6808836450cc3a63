"""Which cells the flags name, alone and after an earlier run; what a plan announces."""

from __future__ import annotations

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.cli import forecast
from benchmark.cli.main import main, parse
from benchmark.cli.selection import request
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.planning.history import last
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.storage.artifacts import Store
from tests.cli.test_run import Absent, _bomb  # noqa: F401 - a method that says how to get its weights
from tests.toy import Toy

BEFORE = Request(["dynamo"], ["toy"], ["knn"], 2, "smoke", ["pretrain.steps=3"], first_seed=4)


def test_a_matrix_has_defaults() -> None:
    assert request(parse(["run"])) == Request()
    command = "plan --methods a,b --envs c --policies d --seeds 2 --first-seed 5 --preset paper k=1"
    assert request(parse(command.split())) == Request(["a", "b"], ["c"], ["d"], 2, "paper", ["k=1"], first_seed=5)


def test_what_is_not_given_is_as_in_the_run_before() -> None:
    assert request(parse(["table", "main"]), BEFORE) == BEFORE
    changed = request(parse(["table", "main", "--methods", "byol", "k=1"]), BEFORE)
    assert changed == Request(["byol"], ["toy"], ["knn"], 2, "smoke", ["k=1"], first_seed=4)


def test_a_number_of_seeds_starts_at_the_first() -> None:
    assert request(parse(["table", "main", "--seeds", "3"]), BEFORE).first_seed == 0
    assert request(parse(["table", "main", "--seeds", "3", "--first-seed", "1"]), BEFORE).first_seed == 1


def test_records_take_no_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = next((Path(__file__).parents[2] / "results" / "measured").glob("*/records.csv")).parent
    assert main(["table", "main", "--records", str(folder), "pretrain.steps=3", "--home", str(tmp_path)]) == 2
    assert "--records takes none" in capsys.readouterr().err


def test_an_export_loses_no_cells_of_another(toy: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--envs", "toy", "--policies", "knn", "--preset", "smoke", "--quiet", "--home", str(tmp_path / "runs")]
    folder = tmp_path / "records"
    export = ["results", "export", str(folder), *flags]
    assert main(["run", "--methods", "state,random", *flags]) == 0
    assert main([*export, "--methods", "state"]) == 0
    assert main([*export, "--methods", "state,random"]) == 0, "more is no loss"
    assert main([*export, "--methods", "random"]) == 2
    assert "holds 1 finished cells that this export has not, toy · state" in capsys.readouterr().err
    assert "state" in (folder / "records.csv").read_text()
    assert main([*export, "--methods", "random", "--replace"]) == 0
    assert "state" not in (folder / "records.csv").read_text()


def test_a_dry_run_is_not_the_last_run(toy: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--envs", "toy", "--policies", "knn", "--preset", "smoke", "--quiet", "--home", str(tmp_path)]
    assert main(["run", "--methods", "state", *flags]) == 0
    assert main(["run", "--methods", "random", "--dry-run", *flags]) == 0
    assert last(Store(tmp_path)).methods == ["state"]


@pytest.mark.usefixtures("_bomb")
def test_what_cannot_run_and_what_does_not_fit_is_said_before_any_work(
    toy: type, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(Request([Absent.name, "random"], ["toy"], ["mlp", "knn"], 2, "smoke"))
    assert forecast.by_row(forecast.unavailable(plan, store)) == {"absent on toy": Absent.unavailable_reason(None)}
    forecast.announce(plan, store, Reporter())
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("absent on toy cannot run here: weights not here") == 1
    assert said.count("4 cells, 15 of 15 stages") == 1  # of `random`: what cannot run costs nothing
    forecast.announce(plan, store, Reporter(), here=False)
    assert "8 cells, 29 of 29 stages" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(10, 9, 1))
    with pytest.raises(BenchmarkError, match=r"of disk and .* has 1 B free"):
        forecast.announce(plan, store, Reporter(quiet=True))


def test_what_this_machine_has_too_little_of_is_told(
    toy: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [
        "plan",
        "--methods",
        "byol",
        "--envs",
        "toy",
        "--policies",
        "knn",
        "--preset",
        "smoke",
        "--home",
        str(tmp_path / "new"),
    ]
    assert main(flags) == 0
    assert "it can be killed" not in (fits := capsys.readouterr().out)
    assert "of disk and" not in fits
    assert main([*flags, "machine.memory=0.001"]) == 0
    assert "of memory and may have 1.0 MB: it can be killed" in capsys.readouterr().out
    small = make_plan(Request(["byol"], ["toy"], ["knn"], 1, "smoke", ["machine.memory=0.001"]))
    for here in (True, False):
        forecast.announce(small, Store(tmp_path).prepare(), Reporter(), here=here)
        assert ("of memory and may have 1.0 MB: it can be killed" in " ".join(capsys.readouterr().err.split())) is here
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "total used free")(10, 9, 1))
    assert main(flags) == 0
    assert "of disk and" in capsys.readouterr().out


def test_settings_of_the_run_before_are_those_of_what_is_named() -> None:
    settings = ["method.dynamo.lr=1", "method.byol.lr=2", "policy.knn.k=3", "env.toy.resolution=32", "fit.steps=4"]
    before = replace(BEFORE, methods=["dynamo", "byol"], overrides=settings)
    kept = request(parse(["table", "main", "--methods", "byol", "--policies", "mlp"]), before).overrides
    assert kept == ["method.byol.lr=2", "env.toy.resolution=32", "fit.steps=4"]
    assert request(parse(["table", "main", "--methods", "all"]), before).overrides == settings
    elsewhere = request(parse(["table", "main", "--methods", "byol:on=toy", "--envs", "kitchen"]), before).overrides
    assert "env.toy.resolution=32" in elsewhere, "where the encoder is made"


def test_a_run_that_cannot_begin_is_not_the_last_one(
    toy: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--envs", "toy", "--policies", "knn", "--preset", "smoke", "--quiet", "--home", str(tmp_path)]
    assert main(["run", "--methods", "random", *flags]) == 0
    before = last(Store(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert main(["run", "--methods", "state", "--launcher", "slurm", *flags]) == 2
    assert "squeue" in capsys.readouterr().err
    assert last(Store(tmp_path)) == before


def test_demonstrations_are_made_for_the_name_that_runs_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.envs().add(type("Mine", (Toy,), {"name": "my_toy"}))
    try:
        make = ["data", "make", "my-toy", "--preset", "smoke", "--quiet", "--home", str(tmp_path), "machine.workers=0"]
        assert main(make) == 0
        plan = make_plan(Request(["random"], ["my-toy"], ["knn"], preset="smoke"))
        assert [Store(tmp_path).has(stage.kind, key) for key, stage in plan.stages.items() if stage.kind == "demos"] == [True]
    finally:
        registry.envs().remove("my_toy")
